//! What breaks and must not hurt: kills, damaged files, full disks, garbage on the port.

mod damage;
mod disk_full;
mod kill;
mod known;
mod refused;
mod script;
mod site;
mod snapshot;
mod stop;
mod vacuum;
