//! Reads media playlists by the letter of RFC 8216, for tests: it shares nothing with the writer, and panics
//! over whatever a player would have to guess.

use super::{Entry, HlsFile, Key, MediaPlaylist};

/// What a playlist says, and its segments.
pub(crate) fn read(text: &str) -> (MediaPlaylist<'static>, Vec<Entry>) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let mut head = MediaPlaylist {
        target_secs: 0,
        media_sequence: 0,
        discontinuity_sequence: 0,
        independent: false,
        segments: Vec::new(),
    };
    let (mut entries, mut discontinuity, mut date, mut duration) = (Vec::new(), false, None, None);
    let (mut map, mut key, mut map_has_key, mut version) = (None, None, false, 1);
    for line in lines {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-VERSION" => version = value.parse().expect("a number"),
            "#EXT-X-TARGETDURATION" => head.target_secs = value.parse().expect("a number"),
            "#EXT-X-MEDIA-SEQUENCE" => head.media_sequence = value.parse().expect("a number"),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                head.discontinuity_sequence = value.parse().expect("a number");
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => head.independent = true,
            "#EXT-X-DISCONTINUITY" => discontinuity = true,
            "#EXT-X-PROGRAM-DATE-TIME" => date = Some(unix_ms(value)),
            "#EXT-X-MAP" => {
                assert!(version >= 6, "EXT-X-MAP came with version 6");
                map = Some(file(attribute(value, "URI").expect("EXT-X-MAP has a URI")));
                map_has_key = key.is_some();
            }
            "#EXT-X-KEY" => key = read_key(value),
            "#EXTINF" if version >= 3 => duration = Some(micros(value.strip_suffix(',').expect("a comma"))),
            _ => {
                assert!(!line.starts_with('#'), "unknown tag {line}");
                assert!(!map_has_key, "the initialisation section counts as encrypted");
                entries.push(Entry {
                    file: file(line),
                    duration_us: duration.take().expect("EXTINF stands before each URI"),
                    discontinuity: std::mem::take(&mut discontinuity),
                    date_unix_ms: date.take().expect("a date stands before each URI"),
                    map,
                    key: key.clone(),
                });
            }
        }
    }
    (head, entries)
}

fn file(uri: &str) -> HlsFile {
    HlsFile::parse(uri).expect("a file beside the playlist")
}

fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) =
        list.split(',').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name)?;
    assert_eq!(found, name);
    Some(value.trim_matches('"'))
}

fn read_key(list: &str) -> Option<Key> {
    match attribute(list, "METHOD") {
        Some("AES-128") => {
            let iv = attribute(list, "IV").and_then(|iv| iv.strip_prefix("0x")).expect("an IV");
            let iv = u128::from_str_radix(iv, 16).expect("hexadecimal digits").to_be_bytes();
            Some(Key { file: file(attribute(list, "URI").expect("a URI")), iv })
        }
        method => {
            assert_eq!(method, Some("NONE"));
            None
        }
    }
}

fn micros(decimal: &str) -> u64 {
    let (secs, fraction) = decimal.split_once('.').expect("a fraction");
    assert_eq!(fraction.len(), 6);
    secs.parse::<u64>().expect("seconds") * 1_000_000 + fraction.parse::<u64>().expect("micros")
}

fn unix_ms(date: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| date[range].parse::<u64>().expect("digits");
    assert_eq!((&date[4..5], &date[10..11], &date[23..]), ("-", "T", "Z"));
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let year = number(0..4);
    let mut days: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    for month in 1..number(5..7) {
        days += months[month as usize - 1] + u64::from(month == 2 && leap(year));
    }
    days += number(8..10) - 1;
    (((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)) * 1000 + number(20..23)
}
