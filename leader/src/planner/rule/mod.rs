//! One file per optimizer rule of ours, each removable by a setting.
