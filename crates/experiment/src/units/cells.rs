//! The units of an experiment in cells: those of a cell are in the same variant and in the same segments.
//!
//! Whatever is compared, a variant in a segment or in everything but a segment, is a union of cells. The
//! moments of a metric are summed up once for each cell, in one pass over the units, and merged for each
//! comparison.

use indexmap::IndexMap;

use crate::definition::VariantIndex;

/// The places of an experiment's units in each segment, by its name.
pub(crate) type Membership = IndexMap<String, Vec<usize>>;

/// The cells.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    /// The cell of each unit.
    of_unit: Vec<u32>,
    /// The variant of each cell.
    variants: Vec<VariantIndex>,
    /// The cells of each segment, rising; in the order of the segments.
    segments: Vec<Vec<u32>>,
}

/// Cells that are compared with others, rising.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group(Vec<u32>);

/// The place of a segment among those that units were in; everyone is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentIndex(pub(crate) usize);

impl SegmentIndex {
    /// That of everyone.
    pub(crate) const EVERYONE: Self = Self(0);
}

/// Units in or out of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Those in the segment.
    In(SegmentIndex),
    /// All others.
    Out(SegmentIndex),
}

impl Cells {
    /// Sorts units into cells: `variants` are those of the units.
    pub(crate) fn new(variants: &[VariantIndex], segments: &Membership) -> Self {
        let mut cells = Self { of_unit: Vec::new(), variants: Vec::new(), segments: Vec::new() };
        // The first cells are the variants.
        let last = variants.iter().max().map_or(0, |variant| variant.0);
        (0..=last).for_each(|variant| _ = cells.add(VariantIndex(variant)));
        cells.of_unit.extend(variants.iter().map(|variant| u32::try_from(variant.0).unwrap_or(u32::MAX)));
        for members in segments.values() {
            cells.split(members);
        }
        for members in segments.values() {
            let mut own: Vec<bool> = vec![false; cells.variants.len()];
            members.iter().for_each(|&unit| own[cells.of_unit[unit] as usize] = true);
            cells
                .segments
                .push((0u32..).zip(own).filter(|(_, is_own)| *is_own).map(|(cell, _)| cell).collect());
        }
        cells
    }

    /// Units in cells that are given, of `cells`; they are compared by groups that are given, too.
    pub(crate) fn given(of_unit: Vec<u32>, cells: usize) -> Self {
        Self { of_unit, variants: vec![VariantIndex::NONE; cells], segments: Vec::new() }
    }

    /// How many cells there are; some may be empty.
    pub(crate) fn len(&self) -> usize {
        self.variants.len()
    }

    /// The cell of each unit.
    pub(crate) fn of_units(&self) -> impl Iterator<Item = usize> + Clone {
        self.of_unit.iter().map(|&cell| cell as usize)
    }

    /// The units of a variant on one side of a segment.
    pub(crate) fn group(&self, side: Side, variant: VariantIndex) -> Group {
        let is_of_variant = |cell: &u32| self.variants[*cell as usize] == variant;
        match side {
            Side::In(segment) => {
                Group(self.segments[segment.0].iter().copied().filter(is_of_variant).collect())
            }
            Side::Out(segment) => {
                let all = (0u32..).take(self.len());
                let is_out = |cell: &u32| self.segments[segment.0].binary_search(cell).is_err();
                Group(all.filter(is_out).filter(is_of_variant).collect())
            }
        }
    }

    /// What there is of each unit of a group that counts, given by its place; in the order of the units.
    pub(crate) fn select<T: Copy + Default>(
        &self,
        group: &Group,
        counts: impl Fn(usize) -> bool,
        of: impl Fn(usize) -> T,
    ) -> Vec<T> {
        let mut is_own = vec![false; self.len()];
        group.cells().for_each(|cell| is_own[cell] = true);
        // Each is written, and overwritten by the next if it does not count: a branch here would be guessed
        // wrong half of the time.
        let mut found = vec![T::default(); self.of_unit.len()];
        let mut count = 0;
        for (unit, cell) in self.of_units().enumerate() {
            found[count] = of(unit);
            count += usize::from(is_own[cell] & counts(unit));
        }
        found.truncate(count);
        found
    }

    /// Moves these units from each of their cells to a new one.
    fn split(&mut self, members: &[usize]) {
        let mut moved: Vec<Option<u32>> = vec![None; self.len()];
        for &unit in members {
            let cell = self.of_unit[unit] as usize;
            let new = match moved[cell] {
                Some(new) => new,
                None => *moved[cell].insert(self.add(self.variants[cell])),
            };
            self.of_unit[unit] = new;
        }
    }

    fn add(&mut self, variant: VariantIndex) -> u32 {
        self.variants.push(variant);
        u32::try_from(self.variants.len() - 1).unwrap_or(u32::MAX)
    }
}

impl Group {
    /// These cells, rising.
    pub(crate) fn of(cells: Vec<u32>) -> Self {
        Self(cells)
    }

    /// The cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|&cell| cell as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_units_of_its_variant_and_segment() {
        let variants = [0, 1, 0, 1, 2, 0, 1].map(VariantIndex);
        let segments: Membership = [
            ("all", vec![0, 1, 2, 3, 4, 5, 6]),
            ("odd", vec![1, 3, 5]),
            ("large", vec![3, 4, 5, 6]),
            ("none", vec![]),
        ]
        .map(|(name, units)| (name.to_owned(), units))
        .into();
        let cells = Cells::new(&variants, &segments);
        for (segment, members) in segments.values().enumerate() {
            for variant in (0..4).map(VariantIndex) {
                let is_own = |unit: &usize| variants[*unit] == variant;
                let inside: Vec<usize> =
                    (0..7).filter(|unit| members.contains(unit)).filter(is_own).collect();
                let outside: Vec<usize> =
                    (0..7).filter(|unit| !members.contains(unit)).filter(is_own).collect();
                let units = |side: Side| cells.select(&cells.group(side, variant), |_| true, |unit| unit);
                assert_eq!(units(Side::In(SegmentIndex(segment))), inside);
                assert_eq!(units(Side::Out(SegmentIndex(segment))), outside);
            }
        }
    }
}
