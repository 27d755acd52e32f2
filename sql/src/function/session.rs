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
        /// Whether a text that is no JSON is parsed to null.
        pub json_null_on_error: bool, default = false
        /// Whether the last of equal attributes of an object is kept, which are an error otherwise.
        pub json_dedup: bool, default = false
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
    /// How it parses JSON.
    pub json: JsonReading,
}

/// How a session parses JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonReading {
    /// A text that is none is null.
    pub null_on_error: bool,
    /// The last of equal attributes of an object is kept, which are an error otherwise.
    pub dedup: bool,
}

impl Session<'_> {
    /// A session that changed nothing.
    pub const PLAIN: Session<'static> = Session {
        zone: "UTC",
        order: DateOrder::Mdy,
        json: JsonReading {
            null_on_error: false,
            dedup: false,
        },
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
            json: options
                .map(|options| JsonReading {
                    null_on_error: options.json_null_on_error,
                    dedup: options.json_dedup,
                })
                .unwrap_or_default(),
        }
    }
}
