//! Functions of dates and times.

mod add_months;
mod blueshift_interval_times;
pub(in crate::function) mod calendar;
mod compare;
mod convert_timezone;
mod date_cmp;
mod date_cmp_timestamp;
mod date_cmp_timestamptz;
mod date_part;
mod date_part_year;
mod date_trunc;
mod dateadd;
mod datediff;
mod extract;
mod getdate;
mod interval_cmp;
mod last_day;
mod months_between;
mod next_day;
pub(in crate::function) mod part;
pub(in crate::function) mod read;
pub(in crate::function) mod span;
mod sysdate;
mod timeofday;
mod timestamp_cmp;
mod timestamp_cmp_date;
mod timestamp_cmp_timestamptz;
mod timestamptz_cmp;
mod timestamptz_cmp_date;
mod timestamptz_cmp_timestamp;
mod timezone;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &add_months::ADD_MONTHS,
    &blueshift_interval_times::BLUESHIFT_INTERVAL_TIMES,
    &convert_timezone::CONVERT_TIMEZONE,
    &date_cmp::DATE_CMP,
    &date_cmp_timestamp::DATE_CMP_TIMESTAMP,
    &date_cmp_timestamptz::DATE_CMP_TIMESTAMPTZ,
    &date_part::DATE_PART,
    &date_part_year::DATE_PART_YEAR,
    &date_trunc::DATE_TRUNC,
    &dateadd::DATEADD,
    &datediff::DATEDIFF,
    &extract::EXTRACT,
    &getdate::GETDATE,
    &interval_cmp::INTERVAL_CMP,
    &last_day::LAST_DAY,
    &months_between::MONTHS_BETWEEN,
    &next_day::NEXT_DAY,
    &read::READ_DATE,
    &read::READ_TIME,
    &read::READ_TIMESTAMP,
    &read::READ_TIMESTAMPTZ,
    &span::CUT_MICROSECONDS,
    &span::CUT_MONTHS,
    &span::DATE_TIMETZ,
    &span::LOCAL,
    &span::LOCAL_DATE,
    &span::LOCAL_TIME,
    &span::ZONED,
    &span::TIME_PLUS,
    &span::TO_MICROSECONDS,
    &span::TO_MONTHS,
    &span::TO_PARTS,
    &span::TO_TIME,
    &span::TO_TIMETZ,
    &sysdate::SYSDATE,
    &timeofday::TIMEOFDAY,
    &timestamp_cmp::TIMESTAMP_CMP,
    &timestamp_cmp_date::TIMESTAMP_CMP_DATE,
    &timestamp_cmp_timestamptz::TIMESTAMP_CMP_TIMESTAMPTZ,
    &timestamptz_cmp::TIMESTAMPTZ_CMP,
    &timestamptz_cmp_date::TIMESTAMPTZ_CMP_DATE,
    &timestamptz_cmp_timestamp::TIMESTAMPTZ_CMP_TIMESTAMP,
    &timezone::TIMEZONE,
];
