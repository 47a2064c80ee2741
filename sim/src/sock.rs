//! The sockets of a world, by number.

use dacapo::driver::Sockets;

/// A socket of the world, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sock(pub u32);

/// The sockets of a world.
pub type Net<'a> = dyn Sockets<Socket = Sock> + 'a;
