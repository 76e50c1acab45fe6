//! The only place that creates a device: lists the adapters of this machine, opens one, and says why there is none.
//!
//! Which adapter a run should use is the caller's policy, with one exception stated here: a software adapter (llvmpipe,
//! SwiftShader, WARP) runs every shader but slower than the f64 code on the same processor, so it is opened only by name.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::KernelError;

/// What an adapter is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A graphics card with its own memory.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// A share of a card, handed through by a hypervisor.
    Virtual,
    /// The driver does not say.
    Other,
    /// Shaders run on the processor.
    Software,
}

/// One adapter that this machine offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// What it is made of.
    pub kind: AdapterKind,
    /// Driver name and version.
    pub driver: String,
    /// Largest storage binding, bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Most workgroups along one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Smallest and largest subgroup.
    pub subgroup_sizes: (u32, u32),
}

impl Adapter {
    /// Whether shaders run on the processor. Such an adapter is never chosen automatically.
    pub fn is_software(&self) -> bool {
        self.kind == AdapterKind::Software
    }

    fn describe(adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let lower = info.name.to_lowercase();
        let software = ["llvmpipe", "lavapipe", "swiftshader", "basic render"].iter().any(|name| lower.contains(name));
        let kind = match info.device_type {
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            _ if software => AdapterKind::Software,
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Other,
        };
        Self {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            kind,
            driver: [info.driver, info.driver_info].join(" ").trim().to_owned(),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            subgroup_sizes: (info.subgroup_min_size, info.subgroup_max_size),
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Other => "unknown kind",
            AdapterKind::Software => "software, never chosen automatically",
        };
        write!(f, "{} ({}, {kind}; {})", self.name, self.backend, self.driver)
    }
}

/// Which adapter to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The first of [`adapters`] that is not software.
    Auto,
    /// The first of [`adapters`] whose name contains these words, in any case; software adapters too.
    Named(String),
    /// The first of [`adapters`], software or not: for tests.
    Any,
}

/// An open adapter. Clones share it.
#[derive(Debug, Clone)]
pub struct Device {
    pub(crate) raw: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    adapter: Adapter,
    failure: Arc<Mutex<Option<String>>>,
}

/// The adapters of this machine: discrete before integrated before virtual before unknown before software, then by name.
pub fn adapters() -> Vec<Adapter> {
    found().into_iter().map(|(adapter, _)| adapter).collect()
}

/// Why [`adapters`] is empty, in words a person can act on.
pub fn why_no_adapter() -> String {
    if !cfg!(target_os = "linux") {
        return "no Metal or Direct3D 12 adapter was found; update the graphics driver".to_owned();
    }
    if !loader_directories().any(|directory| Path::new(&directory).join("libvulkan.so.1").exists()) {
        return "the Vulkan loader (libvulkan.so.1) is not installed; on Debian and Ubuntu: apt install libvulkan1, \
                and the graphics driver's Vulkan package"
            .to_owned();
    }
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(files) = std::env::var_os(variable) {
            return format!("{variable} restricts Vulkan to {files:?}, and no driver there offers an adapter");
        }
    }
    if !["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().any(has_entries) {
        return "the Vulkan loader is installed but no driver is (nothing in /usr/share/vulkan/icd.d); install the graphics \
                driver's Vulkan package, or mesa-vulkan-drivers"
            .to_owned();
    }
    "Vulkan drivers are installed but none offers an adapter; in a container, pass the device through (NVIDIA: \
     NVIDIA_DRIVER_CAPABILITIES=all), and see vulkaninfo --summary"
        .to_owned()
}

impl Device {
    /// Opens an adapter with all its limits.
    ///
    /// # Errors
    /// No adapter, none that fits the choice, or a driver that refuses; the advice says what to install or to choose.
    pub fn open(choice: &Choice) -> Result<Self, KernelError> {
        let all = found();
        let names: Vec<String> = all.iter().map(|(adapter, _)| adapter.to_string()).collect();
        if all.is_empty() {
            return Err(KernelError::new("this machine has no graphics adapter", why_no_adapter()));
        }
        let fits = |adapter: &Adapter| match choice {
            Choice::Auto => !adapter.is_software(),
            Choice::Named(words) => adapter.name.to_lowercase().contains(&words.to_lowercase()),
            Choice::Any => true,
        };
        let Some((adapter, raw)) = all.into_iter().find(|(adapter, _)| fits(adapter)) else {
            let what = match choice {
                Choice::Named(words) => format!("no graphics adapter is called {words:?}"),
                _ => "this machine has only software adapters".to_owned(),
            };
            return Err(KernelError::new(
                what,
                format!("found: {}; use the CPU backend or name one", names.join(", ")),
            ));
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("longrun"),
            required_limits: raw.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (raw, queue) = pollster::block_on(raw.request_device(&descriptor)).map_err(|error| {
            KernelError::new(format!("{} cannot be opened: {error}", adapter.name), "use the CPU backend")
        })?;
        let failure = Arc::new(Mutex::new(None));
        let keep = |failure: &Arc<Mutex<Option<String>>>, message: String| {
            // The first failure is the cause; what follows are its consequences.
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        };
        let (uncaptured, lost) = (failure.clone(), failure.clone());
        raw.on_uncaptured_error(Arc::new(move |error: wgpu::Error| keep(&uncaptured, error.to_string())));
        raw.set_device_lost_callback(move |reason, message| keep(&lost, format!("device lost ({reason:?}) {message}")));
        Ok(Self { raw, queue, adapter, failure })
    }

    /// The adapter behind this device.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Waits for everything submitted, then reports the first failure that the driver announced since opening.
    ///
    /// # Errors
    /// The driver ran out of memory, refused a command or lost the device.
    pub(crate) fn finish(&self) -> Result<(), KernelError> {
        self.wait(wgpu::PollType::wait_indefinitely())
    }

    /// As [`Device::finish`], but waits for one submission and those before it, while later ones go on.
    pub(crate) fn finish_until(&self, submission: wgpu::SubmissionIndex) -> Result<(), KernelError> {
        self.wait(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })
    }

    fn wait(&self, until: wgpu::PollType) -> Result<(), KernelError> {
        let waited = self.raw.poll(until);
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failure = failure.or_else(|| waited.err().map(|error| error.to_string()));
        match failure {
            None => Ok(()),
            Some(what) => Err(KernelError::new(
                format!("{} failed: {what}", self.adapter.name),
                "update the driver, free device memory, or use the CPU backend",
            )),
        }
    }
}

fn found() -> Vec<(Adapter, wgpu::Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // No validation layers and no debug names: they are the driver developer's tools and cost a user time.
    descriptor.flags = wgpu::InstanceFlags::empty();
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut all: Vec<_> = pollster::block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .filter(|raw| raw.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS))
        .map(|raw| (Adapter::describe(&raw), raw))
        .collect();
    all.sort_by(|(a, _), (b, _)| (a.kind, &a.name, &a.backend).cmp(&(b.kind, &b.name, &b.backend)));
    all
}

fn loader_directories() -> impl Iterator<Item = String> {
    let own = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let own: Vec<String> = own.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    let system = ["/lib", "/usr/lib", "/usr/lib64", "/lib64", "/usr/local/lib"].map(str::to_owned);
    let arch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let by_arch = [format!("/usr/lib/{arch}"), format!("/lib/{arch}")];
    own.into_iter().chain(system).chain(by_arch)
}

fn has_entries(directory: &&str) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_never_chosen_automatically() {
        match Device::open(&Choice::Auto) {
            Ok(device) => assert!(!device.adapter().is_software()),
            Err(error) if adapters().is_empty() => assert!(error.what.contains("no graphics adapter"), "{error}"),
            Err(error) => assert!(error.what.contains("only software adapters"), "{error}"),
        }
    }

    #[test]
    fn an_unknown_name_lists_what_there_is() {
        let error = Device::open(&Choice::Named("no such card".into())).expect_err("no such card");
        match adapters().first() {
            Some(first) => assert!(error.advice.contains(&first.name), "{error}"),
            None => assert!(!error.advice.is_empty(), "{error}"),
        }
    }
}
