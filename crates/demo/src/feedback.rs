//! What customers say: the quarterly survey, and complaints about orders.

use std::io;
use std::path::Path;

use crate::calendar::{self, DAY, Month, Stamp};
use crate::customers::{Customer, Id};
use crate::orders::Order;
use crate::random::Random;
use crate::raw_file::{Corruption, CorruptionKind, RawFile, corruption_stream};

/// One answered questionnaire: recommendation 0 to 10, satisfaction and four attitudes 1 to 5.
pub(crate) struct Answer {
    at: i64,
    customer: Id,
    recommends: i64,
    satisfaction: i64,
    attitudes: [i64; 4],
}

/// One complaint; open until it is closed.
pub(crate) struct Complaint {
    opened_at: i64,
    customer: Id,
    topic: &'static str,
    closed_at: Option<i64>,
}

/// The answer of a customer to the survey of a month, if there is one and they answer.
pub(crate) fn answer(random: &mut Random, customer: &Customer, month: &Month) -> Option<Answer> {
    let stays = customer.leaves_at > month.start;
    let asked = month.number.is_multiple_of(3) && customer.consents && customer.signed_up_at < month.start;
    if !asked || !random.chance(if stays { 0.13 } else { 0.05 } * (0.4 + 1.4 * customer.open_rate)) {
        return None;
    }
    let rounded = |value: f64, low: i64, high: i64| (value.round() as i64).clamp(low, high);
    Some(Answer {
        at: month.start + 9 * DAY + random.between(0, 14 * DAY),
        customer: customer.id(),
        recommends: rounded(8.4 + 1.9 * customer.contentment + 1.1 * random.normal(), 0, 10),
        satisfaction: rounded(3.7 + 0.8 * customer.contentment + 0.5 * random.normal(), 1, 5),
        attitudes: customer.attitudes.map(|attitude| rounded(attitude + 0.4 * random.normal(), 1, 5)),
    })
}

/// The complaints that a customer makes about orders.
pub(crate) fn complain(random: &mut Random, customer: &Customer, orders: &[Order]) -> Vec<Complaint> {
    let probability = (0.022 * (-0.7 * customer.contentment).exp()).min(0.3);
    let mut complaints = Vec::new();
    for order in orders {
        if random.chance(probability) {
            let opened_at = order.at + random.between(DAY, 12 * DAY);
            let closed_at = opened_at + (random.lognormal(6.0, 1.1) * DAY as f64) as i64;
            complaints.push(Complaint {
                opened_at,
                customer: customer.id(),
                topic: random.pick(&[("delivery", 45), ("quality", 25), ("refund", 18), ("service", 12)]),
                closed_at: (closed_at < calendar::end()).then_some(closed_at),
            });
        }
    }
    complaints.retain(|complaint| complaint.opened_at < calendar::end());
    complaints
}

const ANSWER_CORRUPTION: Corruption = Corruption {
    one_in: 450,
    delimiter: ',',
    kinds: &[
        (CorruptionKind::Field(0, ""), 1),
        (CorruptionKind::Field(2, "11"), 2),
        (CorruptionKind::Field(2, "ten"), 1),
        (CorruptionKind::Field(1, "soon"), 1),
        (CorruptionKind::Twice, 1),
    ],
};

/// Writes `survey.csv`, and returns the number of its rows.
pub(crate) fn write_answers(out: &Path, seed: u64, answers: &mut [Answer]) -> io::Result<u64> {
    answers.sort_unstable_by_key(|answer| (answer.at, answer.customer));
    let header = "customer_id,answered,recommend,satisfaction,q1,q2,q3,q4";
    let mut file =
        RawFile::create(&out.join("survey.csv"), header, ANSWER_CORRUPTION, corruption_stream(seed, 5, 0))?;
    for Answer { at, customer, recommends, satisfaction, attitudes: [price, green, novel, easy] } in answers {
        let at = Stamp(*at);
        file.row(&format!("{customer},{at},{recommends},{satisfaction},{price},{green},{novel},{easy}"))?;
    }
    file.finish()
}

const COMPLAINT_CORRUPTION: Corruption = Corruption {
    one_in: 600,
    delimiter: ',',
    kinds: &[
        (CorruptionKind::Field(1, ""), 1),
        (CorruptionKind::Field(3, "31.09.2025"), 1),
        (CorruptionKind::Twice, 1),
    ],
};

/// Writes `complaints.csv`, and returns the number of its rows.
pub(crate) fn write_complaints(out: &Path, seed: u64, complaints: &mut [Complaint]) -> io::Result<u64> {
    complaints.sort_unstable_by_key(|complaint| (complaint.opened_at, complaint.customer));
    let header = "complaint_id,customer_id,topic,opened,closed";
    let mut file = RawFile::create(
        &out.join("complaints.csv"),
        header,
        COMPLAINT_CORRUPTION,
        corruption_stream(seed, 6, 0),
    )?;
    for (number, Complaint { opened_at, customer, topic, closed_at }) in (1..).zip(complaints) {
        let closed = closed_at.map(|at| Stamp(at).to_string()).unwrap_or_default();
        file.row(&format!("k{number:05},{customer},{topic},{},{closed}", Stamp(*opened_at)))?;
    }
    file.finish()
}
