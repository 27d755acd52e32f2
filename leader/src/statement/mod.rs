//! One file per statement: check, plan, run; gets a Context, returns an Answer.
