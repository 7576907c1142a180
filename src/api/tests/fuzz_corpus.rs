//! The inputs that fuzzing found, replayed over this crate's parsers. The targets stand in script/fuzz, where
//! `script/fuzz/run` looks for new ones.

#[path = "../../../script/fuzz/src/targets/admin_json.rs"]
mod admin_json;
#[path = "../../../script/fuzz/src/targets/body.rs"]
mod body;
#[path = "../../../script/fuzz/src/targets/corpus.rs"]
mod corpus;
#[path = "../../../script/fuzz/src/targets/form.rs"]
mod form;
#[path = "../../../script/fuzz/src/targets/forms.rs"]
mod forms;
#[path = "../../../script/fuzz/src/targets/meter.rs"]
mod meter;
#[path = "../../../script/fuzz/src/targets/policy.rs"]
mod policy;
#[path = "../../../script/fuzz/src/targets/request.rs"]
mod request;
#[path = "../../../script/fuzz/src/targets/settings.rs"]
mod settings;
#[path = "../../../script/fuzz/src/targets/signature.rs"]
mod signature;
#[path = "../../../script/fuzz/src/targets/signer.rs"]
mod signer;
#[path = "../../../script/fuzz/src/targets/text_request.rs"]
mod text_request;
#[path = "../../../script/fuzz/src/targets/xml.rs"]
mod xml;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

#[test]
fn chunked_body() {
    corpus::replay("chunked_body", body::check);
}

#[test]
fn request_heads() {
    corpus::replay("request", request::check);
}

#[test]
fn signatures() {
    corpus::replay("signature", signature::check);
}

#[test]
fn xml_bodies() {
    corpus::replay("xml_complete", xml::complete);
    corpus::replay("xml_create_bucket", xml::create_bucket);
    corpus::replay("xml_delete", xml::delete);
}

#[test]
fn settings_of_buckets() {
    corpus::replay("settings", settings::check);
}

#[test]
fn policies() {
    corpus::replay("policy", policy::check);
}

#[test]
fn forms() {
    corpus::replay("form", form::check);
}

#[test]
fn bodies_of_the_admin_api() {
    corpus::replay("admin_json", admin_json::check);
}
