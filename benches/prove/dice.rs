/// Numbers that are the same each time, by their seed (SplitMix64).
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below a number that is not 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// A place in something that is so long, which is not 0.
    pub const fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.index(all.len())]
    }

    pub const fn one_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}
