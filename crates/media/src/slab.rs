//! Things in numbered places, found by place or by id.

use std::collections::HashMap;

use crate::event::LegId;

/// Things in numbered places. A place is used again once its thing is gone; an id never is.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<Box<T>>>,
    free: Vec<u32>,
    ids: HashMap<LegId, u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), ids: HashMap::new() }
    }

    /// Finds a place for a thing that is made knowing it.
    pub(crate) fn insert(&mut self, id: LegId, make: impl FnOnce(u32) -> T) {
        let place = self.free.pop().unwrap_or(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let thing = Box::new(make(place));
        match self.places.get_mut(place as usize) {
            Some(empty) => *empty = Some(thing),
            None => self.places.push(Some(thing)),
        }
        self.ids.insert(id, place);
    }

    pub(crate) fn get_mut(&mut self, id: LegId) -> Option<&mut T> {
        let place = *self.ids.get(&id)?;
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// What is in a place, to look at.
    pub(crate) fn peek(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_deref()
    }

    /// Takes a thing out of its place for a while, so that it and others can be changed together.
    pub(crate) fn lift(&mut self, place: u32) -> Option<Box<T>> {
        self.places.get_mut(place as usize)?.take()
    }

    /// Puts it back.
    pub(crate) fn lower(&mut self, place: u32, thing: Box<T>) {
        if let Some(empty) = self.places.get_mut(place as usize) {
            *empty = Some(thing);
        }
    }

    /// Gives up the place of a lifted thing.
    pub(crate) fn forget(&mut self, id: LegId) {
        if let Some(place) = self.ids.remove(&id) {
            self.free.push(place);
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = LegId> {
        self.ids.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_but_an_old_id_finds_nothing() {
        let mut slab = Slab::new();
        let (a, b, c) = (LegId(1), LegId(2), LegId(3));
        slab.insert(a, |place| place);
        slab.insert(b, |place| place);
        assert_eq!((slab.get_mut(a).copied(), slab.get_mut(b).copied()), (Some(0), Some(1)));
        assert!(slab.lift(0).is_some());
        slab.forget(a);
        slab.insert(c, |place| place);
        assert_eq!((slab.get_mut(a).copied(), slab.get_mut(c).copied()), (None, Some(0)));
    }

    #[test]
    fn a_lifted_thing_is_not_found_until_it_is_back() {
        let mut slab = Slab::new();
        slab.insert(LegId(1), |_| "thing");
        let thing = slab.lift(0).unwrap();
        assert_eq!(slab.get_mut(LegId(1)), None);
        assert!(slab.lift(0).is_none());
        slab.lower(0, thing);
        assert_eq!(slab.get_mut(LegId(1)), Some(&mut "thing"));
    }
}
