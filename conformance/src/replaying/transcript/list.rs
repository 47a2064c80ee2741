//! The frames of a stream as a numbered list, and the frames of a player by these numbers.

use crate::replaying::frames::Frame;
use std::fmt;

/// Times that are computed from sample counts may be off by this much.
const ROUNDING_MS: i64 = 1;

/// How many blocks of sound stand in a line.
const ABREAST: usize = 4;

/// Pictures and sound, each numbered from 1.
#[derive(Clone, Debug, Default)]
pub struct List {
    video: Vec<Frame>,
    audio: Vec<Frame>,
}

/// Position of a player in the list: the next video frame and the next audio frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    video: usize,
    audio: usize,
}

/// Frames that follow each other in the list as they were shown.
struct Run {
    first: usize,
    last: usize,
    offset_ms: i64,
    /// Differs by rounding.
    rounded: bool,
}

impl List {
    /// Numbers frames.
    pub fn of(frames: Vec<Frame>) -> Self {
        let (video, audio) = frames.into_iter().partition(|frame| frame.video);
        List { video, audio }
    }

    /// What `frames` are of this list: runs, or lines for those that are not in it. `places` is where in the
    /// list the last ones stood: films repeat themselves.
    pub fn runs(&self, frames: &[Frame], places: &mut Places) -> Vec<String> {
        let own = |video| -> Vec<&Frame> { frames.iter().filter(|frame| frame.video == video).collect() };
        let video = runs_of('v', &self.video, &own(true), &mut places.video);
        let audio = runs_of('a', &self.audio, &own(false), &mut places.audio);
        if video.len() == 1 && audio.len() == 1 {
            return vec![format!("{}, {}", video[0], audio[0])];
        }
        [video, audio].concat()
    }
}

fn runs_of(letter: char, list: &[Frame], frames: &[&Frame], next: &mut usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut run: Option<Run> = None;
    let mut strangers = Vec::new();
    for frame in frames {
        let Some(place) = find(list, frame, *next) else {
            found.extend(run.take().map(|run| run.tell(letter)));
            strangers.push(format!("{letter}? {}", Row(frame)));
            continue;
        };
        *next = place + 1;
        found.append(&mut strangers);
        let offset = frame.dts_ms - list[place].dts_ms;
        match &mut run {
            Some(run) if place == run.last + 1 && (offset - run.offset_ms).abs() <= ROUNDING_MS => {
                run.last = place;
                run.rounded |= offset != run.offset_ms;
            }
            _ => {
                found.extend(run.take().map(|run| run.tell(letter)));
                run = Some(Run { first: place, last: place, offset_ms: offset, rounded: false });
            }
        }
    }
    found.extend(run.map(|run| run.tell(letter)));
    found.append(&mut strangers);
    found
}

/// Where a frame stands: next to the one before it if it can be there.
fn find(list: &[Frame], frame: &Frame, next: usize) -> Option<usize> {
    let same = |other: &Frame| {
        (other.hash, other.size, other.key) == (frame.hash, frame.size, frame.key)
            && (other.later_ms - frame.later_ms).abs() <= ROUNDING_MS
    };
    let behind = list.get(next..).unwrap_or_default().iter().position(same).map(|place| place + next);
    behind.or_else(|| list.iter().position(same))
}

impl Run {
    fn tell(&self, letter: char) -> String {
        let (first, last) = (self.first + 1, self.last + 1);
        let range = if first == last {
            format!("{letter}{first}")
        } else {
            format!("{letter}{first}..{letter}{last}")
        };
        let about = if self.rounded { "about " } else { "" };
        format!("{range} {about}{:+} ms", self.offset_ms)
    }
}

/// A frame without its number.
struct Row<'a>(&'a Frame);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { video, track, key, dts_ms, later_ms, size, hash } = *self.0;
        write!(f, "{dts_ms}")?;
        if later_ms != 0 {
            write!(f, "{later_ms:+}")?;
        }
        write!(f, " {size} {hash:08x}")?;
        if video && key {
            f.write_str(" K")?;
        }
        if track > 0 {
            write!(f, " track {track}")?;
        }
        Ok(())
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in (1..).zip(&self.video) {
            writeln!(f, "v{number} {}", Row(frame))?;
        }
        let numbered: Vec<(usize, &Frame)> = (1..).zip(&self.audio).collect();
        for row in numbered.chunks(ABREAST) {
            let row: Vec<String> =
                row.iter().map(|(number, frame)| format!("a{number} {}", Row(frame))).collect();
            writeln!(f, "{}", row.join(" | "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Places};
    use crate::replaying::frames::Frame;

    fn frame(video: bool, dts_ms: i64, hash: u32) -> Frame {
        Frame { video, track: 0, key: video && hash % 10 == 1, dts_ms, later_ms: 0, size: 9, hash }
    }

    fn film() -> Vec<Frame> {
        let pictures = (1..=20).map(|number| frame(true, 40 * i64::from(number), number));
        let sound = (1..=20).map(|number| frame(false, 23 * i64::from(number), 100 + number));
        pictures.chain(sound).collect()
    }

    #[test]
    fn what_is_of_the_list_is_told_by_its_numbers() {
        let list = List::of(film());
        assert_eq!(list.runs(&film(), &mut Places::default()), ["v1..v20 +0 ms, a1..a20 +0 ms"]);
        let twice = List::of([film(), film()].concat());
        let mut places = Places::default();
        let first = twice.runs(&film(), &mut places);
        assert_eq!(
            (first, twice.runs(&film(), &mut places)[0].as_str()),
            (vec!["v1..v20 +0 ms, a1..a20 +0 ms".to_owned()], "v21..v40 +0 ms, a21..a40 +0 ms")
        );
        let mut late = film().split_off(10);
        late.iter_mut().for_each(|frame| frame.dts_ms -= 400);
        assert_eq!(list.runs(&late[..10], &mut Places::default()), ["v11..v20 -400 ms"]);
    }

    #[test]
    fn what_is_not_is_told_in_full() {
        let list = List::of(film());
        let mut other = film();
        other.remove(4);
        other[9].hash = 77;
        other[14].dts_ms += 1;
        other[15].dts_ms += 500;
        let told = list.runs(&other, &mut Places::default());
        let wanted =
            ["v1..v4 +0 ms", "v6..v10 +0 ms", "v? 440 9 0000004d K", "v12..v15 +0 ms", "v16 about +1 ms"];
        assert_eq!(told[..3], wanted[..3], "{told:?}");
        assert!(told.contains(&"v17 +500 ms".to_owned()), "{told:?}");
    }

    #[test]
    fn a_list_is_short() {
        let text = List::of(film()).to_string();
        assert_eq!(text.lines().count(), 25);
        assert!(text.starts_with("v1 40 9 00000001 K\nv2 80 9 00000002\n"), "{text}");
        assert!(text.ends_with("| a20 460 9 00000078\n"), "{text}");
    }
}
