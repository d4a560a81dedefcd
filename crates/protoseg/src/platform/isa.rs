//! One source of each kernel, compiled for several instruction sets and chosen at run time.
//!
//! Kernels are plain loops over lanes in a fixed order, without fused multiply-add, so every instruction set gives the same
//! bits; wider ones are only faster. On AArch64 NEON is the baseline that the plain form is compiled for.

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// What every processor of the target has (SSE2 on x86-64, NEON on AArch64).
    Baseline,
    /// AVX2, 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL, 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The instruction sets that this processor has, widest last.
    pub fn available() -> Vec<Isa> {
        #[cfg(target_arch = "x86_64")]
        {
            let mut found = vec![Isa::Baseline];
            if is_x86_feature_detected!("avx2") {
                found.push(Isa::Avx2);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx512 {
                found.push(Isa::Avx512);
            }
            found
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Isa::Baseline]
    }

    /// The widest that this processor has.
    pub fn widest() -> Isa {
        Isa::available().pop().unwrap_or(Isa::Baseline)
    }
}

/// Prefetch distance in values: some hundred nanoseconds of work, within a page or two.
const PREFETCH_DISTANCE: usize = 1024;

/// Prefetches the values after a block: hardware prefetchers stop at the end of a page, and feature maps are larger than the cache.
#[inline(always)]
pub fn fetch_after(block: &[f32]) {
    for line in (0..block.len()).step_by(16) {
        fetch(block, line + PREFETCH_DISTANCE);
    }
}

/// Prefetches the value at an offset from the start of a block, which may lie beyond its end.
#[inline(always)]
pub fn fetch(block: &[f32], place: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = block.as_ptr().wrapping_add(place);
        // SAFETY: a hint that reads nothing, whatever the address; SSE is part of x86-64.
        unsafe { _mm_prefetch(place.cast(), _MM_HINT_T0) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (block, place);
}

/// Declares a kernel: `name(isa, arguments)` runs the body compiled for `isa`, an [`Isa`](crate::platform::Isa).
#[macro_export]
macro_rules! kernel {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub(super) fn $name(isa: $crate::platform::Isa, $($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            #[allow(clippy::too_many_arguments)]
            fn avx2($($argument: $type),*) $(-> $output)? { body($($argument),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            #[allow(clippy::too_many_arguments)]
            fn avx512($($argument: $type),*) $(-> $output)? { body($($argument),*) }

            match isa {
                $crate::platform::Isa::Baseline => body($($argument),*),
                // SAFETY: `Isa::available`, the only maker of these values, found the features on this processor.
                #[cfg(target_arch = "x86_64")]
                $crate::platform::Isa::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::platform::Isa::Avx512 => unsafe { avx512($($argument),*) },
            }
        }
    };
}
