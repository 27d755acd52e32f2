//! Functions of dates and times.

mod add_months;
pub(in crate::function) mod calendar;
mod date_part;
mod date_part_year;
mod date_trunc;
mod dateadd;
mod datediff;
mod extract;
mod last_day;
mod months_between;
mod next_day;
pub(in crate::function) mod part;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &add_months::ADD_MONTHS,
    &date_part::DATE_PART,
    &date_part_year::DATE_PART_YEAR,
    &date_trunc::DATE_TRUNC,
    &dateadd::DATEADD,
    &datediff::DATEDIFF,
    &extract::EXTRACT,
    &last_day::LAST_DAY,
    &months_between::MONTHS_BETWEEN,
    &next_day::NEXT_DAY,
];
