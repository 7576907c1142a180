//! What nodes ask each other about rows and blocks, and what else other nodes write, for whoever tries it with any bytes
//! at all (`script/fuzz`).

use crate::check::AskBodies;
pub use crate::check::CheckProgress;
use crate::events::{AskDone, AskLacking, HoldEvents};
use crate::growth::{AskClock, AskMark, TellMarks};
use crate::replicas::{
    AskGraves, AskReaders, AskRow, AskSecret, AskStamp, CompareNames, Forget, GetBlock, ListPast, ListRows,
    NameRows, OfferSecret, Prepare, ReadPast, ReadRange, ReadRow, StoreBlock, StoreRows, rewritten_header,
};
use crate::sync::{ArcDigests, CutRanges, FetchRows, ListRanges};
use net::fuzzing::{Form, forms_of};

/// Every request with its reply: the name, both forms.
pub const MESSAGES: [(&str, Form, Form); 30] = [
    forms_of::<StoreRows>(),
    forms_of::<StoreBlock>(),
    forms_of::<GetBlock>(),
    forms_of::<ReadRow>(),
    forms_of::<ReadPast>(),
    forms_of::<ListPast>(),
    forms_of::<Prepare>(),
    forms_of::<ReadRange>(),
    forms_of::<ListRows>(),
    forms_of::<NameRows>(),
    forms_of::<CompareNames>(),
    forms_of::<AskSecret>(),
    forms_of::<OfferSecret>(),
    forms_of::<AskStamp>(),
    forms_of::<AskClock>(),
    forms_of::<AskMark>(),
    forms_of::<TellMarks>(),
    forms_of::<AskGraves>(),
    forms_of::<Forget>(),
    forms_of::<AskRow>(),
    forms_of::<AskBodies>(),
    forms_of::<AskReaders>(),
    forms_of::<HoldEvents>(),
    forms_of::<AskLacking>(),
    forms_of::<AskDone>(),
    forms_of::<ArcDigests>(),
    forms_of::<CutRanges>(),
    forms_of::<ListRanges>(),
    forms_of::<FetchRows>(),
    ("header", rewritten_header, rewritten_header),
];
