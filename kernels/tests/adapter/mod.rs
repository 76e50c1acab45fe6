//! The device that tests run on, if there is one.

use longrun_kernels::device::{Choice, Device};

/// The first adapter of this machine, software or not. Without one the reason is printed and `None` returned, unless
/// `LONGRUN_REQUIRE_GPU=1` says that there must be one.
pub fn device() -> Option<Device> {
    match Device::open(&Choice::Any) {
        Ok(device) => Some(device),
        Err(error) => {
            let required = std::env::var_os("LONGRUN_REQUIRE_GPU").is_some_and(|value| value == "1");
            assert!(!required, "LONGRUN_REQUIRE_GPU=1, but {error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}
