//! Words that are looked for in bytes that may be anything: found by their first two bytes, since there are
//! many words, and many more bytes.

use std::collections::BTreeMap;

/// A word and what stands for it, which is as long.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The words.
#[derive(Debug)]
pub struct WordSearch {
    /// Places in `pairs` by the first two bytes; the longest word first.
    places: BTreeMap<[u8; 2], Vec<usize>>,
    /// True for what words begin with: most bytes are passed over by it.
    begins: Vec<bool>,
    pairs: Vec<Pair>,
}

impl WordSearch {
    /// These words. Shorter ones than two bytes are not looked for.
    pub fn new(mut pairs: Vec<Pair>) -> Self {
        pairs.retain(|(word, pseudonym)| word.len() >= 2 && word.len() == pseudonym.len());
        pairs.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let mut search = WordSearch { places: BTreeMap::new(), begins: vec![false; 1 << 16], pairs };
        for (place, (word, _)) in search.pairs.iter().enumerate() {
            let first = [word[0], word[1]];
            search.begins[usize::from(u16::from_be_bytes(first))] = true;
            search.places.entry(first).or_default().push(place);
        }
        search
    }

    /// Puts pseudonyms in the place of all these words, wherever they stand.
    pub fn replace(&self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some((place, (word, pseudonym))) = self.next(bytes, at) {
            bytes[place..][..word.len()].copy_from_slice(pseudonym);
            at = place + word.len();
        }
    }

    /// How often one of these words begins there.
    pub fn count(&self, bytes: &[u8]) -> u64 {
        let mut count = 0;
        let mut at = 0;
        while let Some((place, _)) = self.next(bytes, at) {
            count += 1;
            at = place + 1;
        }
        count
    }

    /// The next word that stands at `from` or behind it.
    fn next(&self, bytes: &[u8], from: usize) -> Option<(usize, &Pair)> {
        let firsts = bytes.get(from..)?.windows(2).enumerate();
        let begins = |first: &[u8]| self.begins[usize::from(first[0]) << 8 | usize::from(first[1])];
        firsts.filter(|(_, first)| begins(first)).find_map(|(at, first)| {
            let mut pairs = self.places.get(first)?.iter().map(|place| &self.pairs[*place]);
            let pair = pairs.find(|(word, _)| bytes[from + at..].starts_with(word))?;
            Some((from + at, pair))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::WordSearch;

    #[test]
    fn every_word_is_found_and_the_longest_of_those_that_begin_alike() {
        let pair =
            |(word, pseudonym): (&str, &str)| (word.as_bytes().to_vec(), pseudonym.as_bytes().to_vec());
        let search =
            WordSearch::new([("cam", "xyz"), ("camera", "uvwxyz"), ("film", "mnop")].map(pair).to_vec());
        let replaced = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            search.replace(&mut bytes);
            String::from_utf8(bytes).expect("it was text")
        };
        assert_eq!(replaced("camcamera ca film"), "xyzuvwxyz ca mnop");
        assert_eq!((replaced("ca"), replaced(""), replaced("fil")), ("ca".into(), "".into(), "fil".into()));
        assert_eq!(search.count(b"camcamerafilmfil"), 3);
    }
}
