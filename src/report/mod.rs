//! The room `report`.
pub mod number {
    pub fn count(x: f64) -> String {
        x.to_string()
    }
    pub fn money(x: f64, c: &str) -> String {
        format!("{c}{x}")
    }
    pub fn percent(x: f64) -> String {
        x.to_string()
    }
}
/// x
pub fn render(_: &()) -> crate::error::Result<String> {
    Ok(String::new())
}
/// x
pub fn collect(_: &crate::run::RunDir) -> crate::error::Result<()> {
    Ok(())
}
