//! Gamma-Gamma spend (Fader & Hardie 2013).
