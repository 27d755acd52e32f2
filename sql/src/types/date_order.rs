//! The order in which a date of numbers alone names its day and month: the second half of DATESTYLE.

/// The order of day, month and year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// Month first.
    #[default]
    Mdy,
    /// Day first.
    Dmy,
    /// Year first.
    Ymd,
}

impl DateOrder {
    /// Gives the name SHOW prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mdy => "MDY",
            Self::Dmy => "DMY",
            Self::Ymd => "YMD",
        }
    }

    /// Finds the order of a name; MDY if there is none of it.
    pub fn of_name(name: &str) -> Self {
        match name {
            "DMY" => Self::Dmy,
            "YMD" => Self::Ymd,
            _ => Self::Mdy,
        }
    }
}
