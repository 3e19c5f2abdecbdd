//! Runs hot loops with wider instructions where the machine has them. The loops are written once, and compiled for
//! every x86-64 and again for those of the last ten years; what they compute is the same.

#![allow(
    unsafe_code,
    reason = "a function for some machines only may be called after they were asked"
)]

/// Something to do. Whatever `run` calls in its loops must be inlined into it, to be compiled with it.
pub(crate) trait Work {
    type Done;
    fn run(self) -> Self::Done;
}

/// Does some work with the widest instructions of this machine.
pub(crate) fn widest<W: Work>(work: W) -> W::Done {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;

        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn wide<W: Work>(work: W) -> W::Done {
            work.run()
        }

        #[cfg(test)]
        if NARROW.get() {
            return work.run();
        }
        if has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt") {
            // SAFETY: the machine has just said that it has these instructions.
            return unsafe { wide(work) };
        }
    }
    work.run()
}

#[cfg(test)]
thread_local! {
    static NARROW: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Does something on this thread with the instructions that all machines have.
#[cfg(test)]
pub(crate) fn narrowest<T>(something: impl FnOnce() -> T) -> T {
    NARROW.set(true);
    let done = something();
    NARROW.set(false);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a mut [u64; 32]);

    impl Work for Sum<'_> {
        type Done = u64;

        #[inline(always)]
        fn run(self) -> u64 {
            self.0.iter_mut().for_each(|value| *value = value.wrapping_mul(*value));
            self.0.iter().sum()
        }
    }

    #[test]
    fn work_is_done_alike_with_any_instructions() {
        let sum = || widest(Sum(&mut std::array::from_fn(|value| value as u64)));
        assert_eq!(sum(), (0..32).map(|value| value * value).sum::<u64>());
        assert_eq!(narrowest(sum), sum());
    }
}
