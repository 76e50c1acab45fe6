//! The room against stores that answer over HTTP: Google's emulator and moto's S3, through a proxy that makes mornings bad.

mod emulator;
mod faults;
mod homes;
mod proxy;
mod stores;
