//! What functions must know of the session they run in, and the option that brings the half of it that the engine has
//! no option for.

use crate::types::date_order::DateOrder;
use datafusion_common::config::{ConfigExtension, ConfigOptions};
use datafusion_common::extensions_options;

extensions_options! {
    /// Settings of the session that functions look at.
    pub struct SessionOptions {
        /// The order of day and month in dates of numbers alone: MDY, DMY or YMD.
        pub date_order: String, default = "MDY".to_owned()
    }
}

impl ConfigExtension for SessionOptions {
    const PREFIX: &'static str = "session";
}

/// The session of a call.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Its time zone.
    pub zone: &'a str,
    /// How it writes dates of numbers alone.
    pub order: DateOrder,
}

impl Session<'_> {
    /// A session that changed nothing.
    pub const PLAIN: Session<'static> = Session {
        zone: "UTC",
        order: DateOrder::Mdy,
    };
}

impl<'a> Session<'a> {
    /// Reads it from the engine's options.
    pub(crate) fn of(config: &'a ConfigOptions) -> Self {
        let options = config.extensions.get::<SessionOptions>();
        Self {
            zone: config.execution.time_zone.as_deref().unwrap_or("UTC"),
            order: options
                .map(|options| DateOrder::of_name(&options.date_order))
                .unwrap_or_default(),
        }
    }
}
