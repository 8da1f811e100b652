//! The sums of every arm in many draws: one pass over the columns for a batch of them.

use super::columns::Columns;

/// Draws that share a pass.
pub(super) const BATCH: usize = 8;
/// Rows whose columns stay in the processor's cache while a batch passes over them.
const BLOCK: usize = 1024;
const LANES: usize = 8;

/// What is summed, and up to where.
pub(super) struct Summing<'a> {
    columns: Vec<&'a Columns>,
    /// The rows before each look, rising.
    looks: &'a [usize],
    control: usize,
    variants: usize,
    /// How many sums an arm has: its rows, then those of each metric.
    width: usize,
    /// The sums of all rows before each look.
    totals: Vec<Vec<f64>>,
}

/// The sums of each draw of a batch.
pub(super) struct Sums {
    /// By draw, look and variant.
    arms: Vec<f64>,
    looks: usize,
    variants: usize,
    width: usize,
}

impl Sums {
    /// The sums of an arm in a draw, of the rows before a look: its rows, then those of each metric's
    /// columns.
    pub(super) fn arm(&self, draw: usize, look: usize, variant: usize) -> &[f64] {
        let first = ((draw * self.looks + look) * self.variants + variant) * self.width;
        &self.arms[first..first + self.width]
    }
}

impl<'a> Summing<'a> {
    /// Sums of these columns up to each look, for each of so many variants.
    pub(super) fn new(
        columns: Vec<&'a Columns>,
        looks: &'a [usize],
        control: usize,
        variants: usize,
    ) -> Self {
        let width = 1 + columns.iter().map(|columns| columns.sums()).sum::<usize>();
        let mut summing = Self { columns, looks, control, variants, width, totals: Vec::new() };
        let mut running = vec![0.0; width];
        let mut scratch = Scratch::new();
        let mut from = 0;
        for &to in summing.looks {
            for block in blocks(from, to) {
                scratch.mask[..block.len()].fill(1.0);
                summing.add(&mut running, block.start, block.len(), &mut scratch);
            }
            summing.totals.push(running.clone());
            from = to;
        }
        summing
    }

    /// The sums of each draw, given the variant of every row in each. Those of control are what the other
    /// variants leave.
    pub(super) fn of(&self, draws: &[Vec<u16>]) -> Sums {
        let (looks, variants, width) = (self.looks.len(), self.variants, self.width);
        let mut sums =
            Sums { arms: vec![0.0; draws.len() * looks * variants * width], looks, variants, width };
        let mut running = vec![0.0; draws.len() * variants * width];
        let mut scratch = Scratch::new();
        let mut from = 0;
        for (look, &to) in self.looks.iter().enumerate() {
            for block in blocks(from, to) {
                for (draw, drawn) in draws.iter().enumerate() {
                    for variant in (0..variants).filter(|variant| *variant != self.control) {
                        for (mask, of_row) in scratch.mask.iter_mut().zip(&drawn[block.clone()]) {
                            *mask = if usize::from(*of_row) == variant { 1.0 } else { 0.0 };
                        }
                        let first = (draw * variants + variant) * width;
                        self.add(&mut running[first..first + width], block.start, block.len(), &mut scratch);
                    }
                }
            }
            from = to;
            for draw in 0..draws.len() {
                let of_draw = &running[draw * variants * width..(draw + 1) * variants * width];
                let first = (draw * looks + look) * variants * width;
                let taken = &mut sums.arms[first..first + variants * width];
                taken.copy_from_slice(of_draw);
                let control = &mut taken[self.control * width..(self.control + 1) * width];
                control.copy_from_slice(&self.totals[look]);
                for arm in of_draw.chunks(width) {
                    control.iter_mut().zip(arm).for_each(|(rest, sum)| *rest -= sum);
                }
            }
        }
        sums
    }

    /// Adds the rows from `start` that the mask has to the sums of an arm.
    fn add(&self, sums: &mut [f64], start: usize, rows: usize, scratch: &mut Scratch) {
        let Scratch { mask, masked } = scratch;
        let mask = &mask[..rows];
        let count = mask.iter().sum::<f64>();
        sums[0] += count;
        let mut place = 1;
        for columns in &self.columns {
            let width = columns.values.len();
            let (units, rest) = sums[place..place + columns.sums()].split_at_mut(1);
            let (means, products) = rest.split_at_mut(width);
            units[0] +=
                columns.counted.as_ref().map_or(count, |counted| dot(mask, &counted[start..start + rows]));
            let mut pair = 0;
            for (i, column) in columns.values.iter().enumerate() {
                means[i] += multiplied(mask, &column[start..start + rows], &mut masked[..rows]);
                for other in &columns.values[..=i] {
                    products[pair] += dot(&masked[..rows], &other[start..start + rows]);
                    pair += 1;
                }
            }
            place += columns.sums();
        }
    }
}

struct Scratch {
    mask: Vec<f64>,
    masked: Vec<f64>,
}

impl Scratch {
    fn new() -> Self {
        Self { mask: vec![0.0; BLOCK], masked: vec![0.0; BLOCK] }
    }
}

/// The rows from `from` up to `to` in blocks.
fn blocks(from: usize, to: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (from..to).step_by(BLOCK).map(move |start| start..to.min(start + BLOCK))
}

/// Writes the product of two columns, and gives its sum.
fn multiplied(left: &[f64], right: &[f64], product: &mut [f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let (product, product_rest) = product.as_chunks_mut::<LANES>();
    for ((left, right), product) in left.iter().zip(right).zip(product) {
        for lane in 0..LANES {
            product[lane] = left[lane] * right[lane];
            sums[lane] += product[lane];
        }
    }
    let mut rest = 0.0;
    for ((left, right), product) in left_rest.iter().zip(right_rest).zip(product_rest) {
        *product = left * right;
        rest += *product;
    }
    sums.iter().sum::<f64>() + rest
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum::<f64>() + left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum::<f64>()
}
