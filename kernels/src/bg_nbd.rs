//! BG/NBD (Fader, Hardie & Lee 2005).
