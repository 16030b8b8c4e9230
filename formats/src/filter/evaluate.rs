//! Whether an expression holds for an exchange.

use super::expression::{Comparison, Expression, Order, Test};
use super::field::Field;
use super::view::View;

pub(super) fn holds(expression: &Expression, view: &View<'_>) -> bool {
    match expression {
        Expression::Or(all) => all.iter().any(|one| holds(one, view)),
        Expression::And(all) => all.iter().all(|one| holds(one, view)),
        Expression::Not(one) => !holds(one, view),
        Expression::Has(field) => view.has(field),
        Expression::Compare(Comparison { field, is_negated, test }) => passes(field, test, view) != *is_negated,
    }
}

fn passes(field: &Field, test: &Test, view: &View<'_>) -> bool {
    match test {
        // What a body is as a whole cannot be said of a part of it.
        Test::Texts(_) | Test::Like(_) if matches!(field, Field::Body(side) if !view.is_whole(*side)) => false,
        Test::Texts(texts) if *field == Field::Host => {
            view.any(field, &mut |value| texts.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(value)))
        }
        Test::Texts(texts) => view.any(field, &mut |value| texts.iter().any(|text| text.as_bytes() == value)),
        Test::Like(like) => view.any(field, &mut |value| like.pattern.matches(&String::from_utf8_lossy(value))),
        Test::Regex(regex) => view.any(field, &mut |value| regex.0.is_match(value)),
        Test::Spans(spans) => {
            spans.iter().any(|span| view.number(field, span.scale).is_some_and(|number| span.has(number)))
        }
        Test::Order(order, span) => view.number(field, span.scale).is_some_and(|number| match order {
            Order::Less => number < span.from,
            Order::LessOrEqual => number <= span.from,
            Order::Greater => number > span.from,
            Order::GreaterOrEqual => number >= span.from,
        }),
    }
}
