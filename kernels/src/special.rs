//! f64 special functions that the likelihoods need and `std` lacks.
