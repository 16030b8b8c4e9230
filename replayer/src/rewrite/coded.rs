//! Bodies that the recorder redacted and so stored decoded: coded again as they were sent.
//!
//! Not here: anything that differs from copy to copy. What is filled in later cannot be coded now.

use formats::coding::{self, CODINGS_MAX, Coding};
use formats::model::Body;

use super::LeftOut;
use super::text::Text;

/// The codings to make again; `None` where the body is as it was sent.
pub(super) fn codings(body: &Body) -> Result<Option<Vec<Coding>>, LeftOut> {
    let Some(names) = &body.redacted else { return Ok(None) };
    let known: Option<Vec<Coding>> = names.iter().map(|name| Coding::from_name(name)).collect();
    let known = known.filter(|known| known.len() <= CODINGS_MAX).ok_or(LeftOut::CannotEncode)?;
    Ok(Some(known))
}

/// Makes them.
pub(super) fn encode(body: &mut Text<'_>, codings: &[Coding]) -> Result<(), LeftOut> {
    if codings.is_empty() {
        return Ok(());
    }
    if !body.marks().is_empty() {
        return Err(LeftOut::CannotEncode);
    }
    let encoded = coding::encode(body.bytes(), codings).map_err(|_| LeftOut::CannotEncode)?;
    *body = Text::of(encoded);
    Ok(())
}
