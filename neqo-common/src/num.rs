//! Conversions and comparisons of numbers that `core` does not offer in `const` or without a cast.

/// The larger of two sizes, usable in constants.
#[must_use]
pub const fn const_max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// The smaller of two sizes, usable in constants.
#[must_use]
pub const fn const_min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// The smaller of two 64-bit numbers, usable in constants.
#[must_use]
pub const fn const_min_u64(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

/// Converts a number that is known to fit into a `usize`.
///
/// Use it for values that the caller has bounded, never for values as a peer sent them.
///
/// # Panics
///
/// When `v` does not fit, which is an error of the caller.
#[must_use]
pub fn expect_usize<T>(v: T) -> usize
where
    usize: TryFrom<T>,
    <usize as TryFrom<T>>::Error: std::fmt::Debug,
{
    usize::try_from(v).expect("the caller bounds the value")
}

/// Widens a size. No platform that this code supports has a `usize` of more than 64 bits.
#[must_use]
#[inline]
pub const fn to_u64(v: usize) -> u64 {
    v as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_extreme() {
        assert_eq!(const_max(1, 2), 2);
        assert_eq!(const_max(2, 1), 2);
        assert_eq!(const_min(1, 2), 1);
        assert_eq!(const_min(2, 1), 1);
        assert_eq!(const_min_u64(7, 9), 7);
        assert_eq!(const_min_u64(9, 7), 7);
    }

    #[test]
    fn converts() {
        assert_eq!(expect_usize(5_u64), 5);
        assert_eq!(to_u64(usize::MAX), u64::try_from(usize::MAX).unwrap());
    }
}
