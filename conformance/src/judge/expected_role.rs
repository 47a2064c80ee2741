//! The role of a connection that follows from its bytes.
//!
//! Between two inputs of the server, every peer whose socket has room was sent everything, so its role is
//! known. For the other peers the possible roles are known.

/// What a connection does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It sends it.
    Publishes,
    /// It gets it.
    Plays,
    /// It waits for it; or it gets it, and nothing has come yet.
    Waits,
    /// It waits for a file of it.
    Awaits,
    /// It fetched a file of it, and may fetch another.
    Fetches,
}

/// What a connection is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// Name of the stream.
    pub stream: String,
    /// The client kind in the API.
    pub kind: &'static str,
    /// What it does.
    pub deed: Deed,
}

/// All that a connection may be about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExpectedRole {
    /// Each.
    pub abouts: Vec<About>,
    /// False: just one of those, or nothing if there is none. True: or nothing, too.
    pub unsure: bool,
    /// What the peer said cannot be read with certainty: it may be about anything.
    pub dark: bool,
}

impl About {
    /// True if the stream cannot be forgotten meanwhile, and bytes of the peer count as the stream's.
    pub fn holds(&self) -> bool {
        self.deed != Deed::Fetches
    }

    /// Whether bytes to the peer count for the stream; `None` if that is not known.
    pub fn gets(&self) -> Option<bool> {
        match self.deed {
            Deed::Publishes => Some(false),
            Deed::Plays | Deed::Awaits | Deed::Fetches => Some(true),
            Deed::Waits => None,
        }
    }
}

impl ExpectedRole {
    /// Just this.
    pub fn of(about: About) -> Self {
        ExpectedRole { abouts: vec![about], ..ExpectedRole::default() }
    }

    /// What it is about beyond doubt.
    pub fn sure(&self) -> Option<&About> {
        self.abouts.first().filter(|_| !self.unsure && !self.dark)
    }

    /// Which stream the bytes that leave for it count for; `Err` if that is not known.
    pub fn target(&self) -> Result<Option<&str>, ()> {
        match self.abouts.first() {
            _ if self.unsure || self.dark => Err(()),
            None => Ok(None),
            Some(about) => about.gets().map(|gets| gets.then_some(about.stream.as_str())).ok_or(()),
        }
    }
}
