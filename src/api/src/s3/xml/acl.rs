//! Access control lists, as they are sent and shown, and the answer about who pays.
//!
//! Always holds: a parsed list has the shape of AWS's schema; whom it names and what it grants is `s3::acl`'s to
//! judge. What kind of grantee one is says the element in it, not its `xsi:type`, which clients spell differently.

use super::listing::Owner;
use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutBucketAcl and PutObjectAcl: 100 grants with the longest ids and names are below 64 KiB.
pub const ACL_BODY_MAX_BYTES: usize = 64 << 10;
/// Grants that are read at all; fewer are allowed, with an answer of its own.
const GRANTS_MAX: usize = 200;
const ACL_LIMITS: BodyLimits = BodyLimits { bytes_max: ACL_BODY_MAX_BYTES, elements_max: 5 * GRANTS_MAX + 5 };

/// The attributes of a grantee, which is the one S3 element that has some.
const USER: &str = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
const GROUP: &str = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"";
const EMAIL: &str =
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"AmazonCustomerByEmail\"";

/// A list: body of PutBucketAcl and PutObjectAcl, answer of GetBucketAcl and GetObjectAcl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessControlPolicy {
    /// To whom the bucket or object belongs.
    pub owner: Owner,
    /// What is granted, in order.
    pub grants: Vec<AclGrant>,
}

/// One permission of one grantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclGrant {
    /// Who.
    pub grantee: AclGrantee,
    /// What, in AWS's word.
    pub permission: String,
}

/// Whom a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AclGrantee {
    /// A canonical user.
    User(Owner),
    /// A group, by its address.
    Group(String),
    /// Somebody's e-mail address.
    Email(String),
}

impl AccessControlPolicy {
    /// Reads the body. Names of users are not looked at, as AWS does not.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, ACL_LIMITS, "AccessControlPolicy")?;
        let (mut owner, mut grants) = (None, None);
        while let Some(element) = reader.next_child(&["Owner", "AccessControlList"])? {
            let repeated = if element == "Owner" { owner.is_some() } else { grants.is_some() };
            if repeated {
                return Err(XmlFault::Repeated { element }.into());
            }
            match element {
                "Owner" => owner = Some(parse_owner(&mut reader)?),
                _ => grants = Some(parse_grants(&mut reader)?),
            }
        }
        reader.finish()?;
        let missing = |element| XmlFault::Missing { element };
        let owner = owner.ok_or(missing("Owner"))?;
        Ok(Self { owner, grants: grants.ok_or(missing("AccessControlList"))? })
    }

    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("AccessControlPolicy", 384 + self.grants.len() * 320);
        super::listing::push_owner(&mut xml, "Owner", &self.owner);
        xml.open("AccessControlList");
        for grant in &self.grants {
            xml.open("Grant");
            push_grantee(&mut xml, &grant.grantee);
            xml.text("Permission", &grant.permission);
            xml.close();
        }
        xml.finish()
    }
}

fn push_grantee(xml: &mut XmlWriter, grantee: &AclGrantee) {
    let attributes = match grantee {
        AclGrantee::User(_) => USER,
        AclGrantee::Group(_) => GROUP,
        AclGrantee::Email(_) => EMAIL,
    };
    xml.open_with_attributes("Grantee", attributes);
    match grantee {
        AclGrantee::User(user) => {
            xml.text("ID", &user.id);
            xml.text("DisplayName", &user.display_name);
        }
        AclGrantee::Group(uri) => xml.text("URI", uri),
        AclGrantee::Email(address) => xml.text("EmailAddress", address),
    }
    xml.close();
}

fn parse_owner(reader: &mut BodyReader<'_>) -> Result<Owner, XmlError> {
    let (mut id, mut name) = (None, None);
    while let Some(element) = reader.next_child(&["ID", "DisplayName"])? {
        reader.text_once(element, if element == "ID" { &mut id } else { &mut name })?;
    }
    user(id, name)
}

fn user(id: Option<String>, name: Option<String>) -> Result<Owner, XmlError> {
    let id = id.ok_or(XmlFault::Missing { element: "ID" })?;
    Ok(Owner { id: id.trim().to_owned(), display_name: name.unwrap_or_default() })
}

fn parse_grants(reader: &mut BodyReader<'_>) -> Result<Vec<AclGrant>, XmlError> {
    let mut grants = Vec::new();
    while reader.next_child(&["Grant"])?.is_some() {
        let (mut grantee, mut permission) = (None, None);
        while let Some(element) = reader.next_child(&["Grantee", "Permission"])? {
            match element {
                "Permission" => reader.text_once(element, &mut permission)?,
                _ if grantee.is_some() => return Err(XmlFault::Repeated { element }.into()),
                _ => grantee = Some(parse_grantee(reader)?),
            }
        }
        let missing = |element| XmlFault::Missing { element };
        let permission = permission.ok_or(missing("Permission"))?.trim().to_owned();
        grants.push(AclGrant { grantee: grantee.ok_or(missing("Grantee"))?, permission });
    }
    Ok(grants)
}

fn parse_grantee(reader: &mut BodyReader<'_>) -> Result<AclGrantee, XmlError> {
    let (mut id, mut name, mut uri, mut address) = (None, None, None, None);
    while let Some(element) = reader.next_child(&["ID", "DisplayName", "URI", "EmailAddress"])? {
        let slot = match element {
            "ID" => &mut id,
            "DisplayName" => &mut name,
            "URI" => &mut uri,
            _ => &mut address,
        };
        reader.text_once(element, slot)?;
    }
    match (id, uri, address) {
        (Some(id), None, None) => user(Some(id), name).map(AclGrantee::User),
        (None, Some(uri), None) => Ok(AclGrantee::Group(uri.trim().to_owned())),
        (None, None, Some(address)) => Ok(AclGrantee::Email(address)),
        _ => Err(XmlFault::BadValue { element: "Grantee" }.into()),
    }
}

/// Answer of GetBucketRequestPayment: the owner pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestPayment;

impl RequestPayment {
    /// The body.
    pub fn render(self) -> Vec<u8> {
        let mut xml = XmlWriter::new("RequestPaymentConfiguration", 256);
        xml.text("Payer", "BucketOwner");
        xml.finish()
    }
}
