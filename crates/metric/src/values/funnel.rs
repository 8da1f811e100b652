//! How far units get in a funnel.

use crate::accumulate::Passing;

/// How many steps each unit passed. A step is passed by an event after that of the step before it, or at the
/// same instant; one event passes one step.
pub(crate) fn reached(mut passings: Vec<Passing>, units: usize) -> Vec<u8> {
    // Events of one instant pass in the order of the steps.
    passings.sort_unstable_by_key(|passing| {
        (passing.unit, passing.after, passing.steps.trailing_zeros(), passing.steps)
    });
    let mut reached = vec![0u8; units];
    for Passing { unit, steps, .. } in passings {
        let next = &mut reached[unit.place()];
        if steps.checked_shr(u32::from(*next)).is_some_and(|rest| rest & 1 == 1) {
            *next += 1;
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::UnitIndex;

    fn check(events: &[(i64, u32)], expected: u8) {
        let passings =
            events.iter().map(|&(after, steps)| Passing { unit: UnitIndex(0), after, steps }).collect();
        assert_eq!(reached(passings, 2), [expected, 0], "{events:?}");
    }

    #[test]
    fn steps_are_passed_in_the_order_of_time() {
        check(&[], 0);
        check(&[(5, 0b01), (6, 0b10)], 2);
        check(&[(6, 0b10), (5, 0b01)], 2);
        check(&[(5, 0b10), (6, 0b01)], 1);
        // The first step again after the second: the way is passed all the same.
        check(&[(5, 0b001), (6, 0b010), (7, 0b001), (8, 0b100)], 3);
        // The second without the first is nothing.
        check(&[(5, 0b10), (6, 0b100)], 0);
    }

    #[test]
    fn one_event_passes_one_step_and_one_instant_several() {
        check(&[(5, 0b11)], 1);
        check(&[(5, 0b11), (6, 0b11)], 2);
        check(&[(5, 0b10), (5, 0b01)], 2);
    }
}
