//! A table with reusable places.
//!
//! The place that was freed last is taken next. The order of places is the order of iteration, so which place
//! is taken next is part of the state: a saved table continues with the same places.

use serde::{Deserialize, Serialize};

/// The table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts<T>")]
pub struct Table<T> {
    places: Vec<Option<T>>,
    /// Free places; the last one is taken next.
    free: Vec<usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// A copy of the entries that `keep` accepts, at the same places.
    pub fn subset(&self, keep: impl Fn(&T) -> bool) -> Self
    where
        T: Clone,
    {
        let places: Vec<_> =
            self.places.iter().map(|thing| thing.as_ref().filter(|t| keep(t)).cloned()).collect();
        let left = |place: &usize| places[*place].is_none() && self.places[*place].is_some();
        let free = self.free.iter().copied().chain((0..places.len()).filter(left)).collect();
        Table { places, free }
    }

    /// The place that the next entry takes.
    pub fn next_place(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    /// Inserts an entry at [`Table::next_place`].
    pub fn insert(&mut self, thing: T) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(thing);
                place
            }
            None => {
                self.places.push(Some(thing));
                self.places.len() - 1
            }
        }
    }

    /// Removes the entry at a place, if there is one.
    pub fn remove(&mut self, place: usize) -> Option<T> {
        let thing = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(thing)
    }

    /// The entry at a place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    /// The entry at a place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    /// All entries, in the order of places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places.iter().enumerate().filter_map(|(place, thing)| Some((place, thing.as_ref()?)))
    }

    /// Iterates over the entries in the order of their places.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.places.into_iter().flatten()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The serialised form; may be damaged.
#[derive(Deserialize)]
struct Parts<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> TryFrom<Parts<T>> for Table<T> {
    type Error = &'static str;

    fn try_from(Parts { places, free }: Parts<T>) -> Result<Self, Self::Error> {
        let mut taken: Vec<bool> = places.iter().map(Option::is_some).collect();
        for place in &free {
            match taken.get_mut(*place) {
                Some(taken) if !*taken => *taken = true,
                _ => return Err("a table has the wrong empty places"),
            }
        }
        if taken.contains(&false) {
            return Err("a table has lost empty places");
        }
        Ok(Table { places, free })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_takes_the_place_that_was_left_last() {
        let mut table = Table::default();
        assert_eq!(["a", "b", "c", "d"].map(|thing| table.insert(thing)), [0, 1, 2, 3]);
        assert_eq!((table.remove(1), table.remove(3), table.remove(3)), (Some("b"), Some("d"), None));
        assert_eq!((table.len(), table.next_place(), table.get(3)), (2, 3, None));
        let mut copy: Table<String> = postcard::from_bytes(&postcard::to_allocvec(&table).unwrap()).unwrap();
        assert_eq!((table.insert("e"), table.insert("f"), table.insert("g")), (3, 1, 4));
        assert_eq!(["e", "f", "g"].map(|thing| copy.insert(thing.to_owned())), [3, 1, 4]);
        let all: Vec<_> = table.iter().collect();
        assert_eq!(all, [(0, &"a"), (1, &"f"), (2, &"c"), (3, &"e"), (4, &"g")]);
    }

    #[test]
    fn a_narrowed_table_keeps_the_places() {
        let mut table = Table::default();
        (0..5).for_each(|thing| assert_eq!(table.insert(thing), thing));
        table.remove(2);
        let mut odd = table.subset(|thing| thing % 2 == 1);
        assert_eq!(odd.iter().collect::<Vec<_>>(), [(1, &1), (3, &3)]);
        let mut taken: Vec<_> = (0..4).map(|_| odd.insert(9)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 2, 4, 5]);
    }

    #[test]
    fn a_damaged_table_is_refused() {
        let read = |places: [Option<u8>; 3], free: &[usize]| {
            let bytes = postcard::to_allocvec(&(places.to_vec(), free.to_vec())).unwrap();
            postcard::from_bytes::<Table<u8>>(&bytes).is_ok()
        };
        assert!(read([Some(1), None, None], &[2, 1]));
        for free in [&[][..], &[1], &[1, 1], &[1, 2, 0], &[1, 2, 3]] {
            assert!(!read([Some(1), None, None], free), "{free:?}");
        }
    }
}
