//! The open connections of an engine by their places, which are used again, and by tokens, which are not.

use super::connection::Connection;

/// All open connections.
#[derive(Default)]
pub(super) struct Table {
    places: Vec<Option<Connection>>,
    free: Vec<u32>,
    /// Told apart by a number that wraps after four billion connections: an event never waits that long.
    born: u32,
}

impl Table {
    /// Makes room for a connection with the token that it gets.
    pub(super) fn insert(&mut self, make: impl FnOnce(u64) -> Connection) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        self.born = self.born.wrapping_add(1);
        let token = u64::from(self.born) << 32 | u64::from(at);
        if let Some(place) = self.places.get_mut(at as usize) {
            *place = Some(make(token));
        }
        at
    }

    /// The connection at a place.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Connection> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    /// The place of the connection with this token, if it is still there.
    #[inline]
    pub(super) fn find(&self, token: u64) -> Option<u32> {
        let at = u32::try_from(token & u64::from(u32::MAX)).ok()?;
        let connection = self.places.get(at as usize)?.as_ref()?;
        (connection.token == token).then_some(at)
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, at: u32) -> Option<Connection> {
        let connection = self.places.get_mut(at as usize)?.take()?;
        self.free.push(at);
        Some(connection)
    }

    /// The next place in turn after `turn`, its own last, whose connection is wanted.
    pub(super) fn next_place(&self, turn: u32, is_wanted: impl Fn(u32, &Connection) -> bool) -> Option<u32> {
        let places = || self.places.iter().zip(0..).filter_map(|(place, at)| Some((at, place.as_ref()?)));
        let (after, up_to) = (places().skip_while(|(at, _)| *at <= turn), places().take_while(|(at, _)| *at <= turn));
        after.chain(up_to).find(|(at, connection)| is_wanted(*at, connection)).map(|(at, _)| at)
    }

    /// The places that are in use.
    pub(super) fn places(&self) -> Vec<u32> {
        self.places.iter().zip(0..).filter(|(place, _)| place.is_some()).map(|(_, at)| at).collect()
    }
}
