//! Locks of buckets and objects, as they are said and shown.
//!
//! Always holds: a mode is one of the two there are, a period is days or years and not both; whether a number is
//! allowed is `s3::lock`'s to judge.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutObjectLockConfiguration, PutObjectRetention and PutObjectLegalHold: a few short elements.
pub const LOCK_BODY_MAX_BYTES: usize = 16 << 10;
const LOCK_LIMITS: BodyLimits = BodyLimits { bytes_max: LOCK_BODY_MAX_BYTES, elements_max: 16 };

/// Who may shorten a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Who has a permission for that.
    Governance,
    /// Nobody.
    Compliance,
}

impl LockMode {
    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GOVERNANCE" => Some(Self::Governance),
            "COMPLIANCE" => Some(Self::Compliance),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// How long new versions are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPeriod {
    /// Days.
    Days(i64),
    /// Years.
    Years(i64),
}

/// Body of PutObjectLockConfiguration and GetObjectLockConfiguration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectLockConfiguration {
    /// The default of new versions.
    pub default: Option<(LockMode, LockPeriod)>,
}

impl ObjectLockConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LOCK_LIMITS, "ObjectLockConfiguration")?;
        let (mut enabled, mut default, mut has_rule) = (None, None, false);
        while let Some(element) = reader.next_child(&["ObjectLockEnabled", "Rule"])? {
            if element == "ObjectLockEnabled" {
                reader.text_once(element, &mut enabled)?;
                continue;
            }
            if std::mem::replace(&mut has_rule, true) {
                return Err(XmlFault::Repeated { element }.into());
            }
            while let Some(element) = reader.next_child(&["DefaultRetention"])? {
                if default.is_some() {
                    return Err(XmlFault::Repeated { element }.into());
                }
                default = Some(parse_default(&mut reader)?);
            }
            if default.is_none() {
                return Err(XmlFault::Missing { element: "DefaultRetention" }.into());
            }
        }
        reader.finish()?;
        match enabled.as_deref().map(str::trim) {
            Some("Enabled") => Ok(Self { default }),
            Some(_) => Err(XmlFault::BadValue { element: "ObjectLockEnabled" }.into()),
            None => Err(XmlFault::Missing { element: "ObjectLockEnabled" }.into()),
        }
    }

    /// The body of GetObjectLockConfiguration.
    pub fn render(self) -> Vec<u8> {
        let mut xml = XmlWriter::new("ObjectLockConfiguration", 320);
        xml.text("ObjectLockEnabled", "Enabled");
        if let Some((mode, period)) = self.default {
            xml.open("Rule");
            xml.open("DefaultRetention");
            xml.text("Mode", mode.name());
            match period {
                LockPeriod::Days(days) => xml.text("Days", &days.to_string()),
                LockPeriod::Years(years) => xml.text("Years", &years.to_string()),
            }
            xml.close();
            xml.close();
        }
        xml.finish()
    }
}

fn parse_default(reader: &mut BodyReader<'_>) -> Result<(LockMode, LockPeriod), XmlError> {
    let (mut mode, mut days, mut years) = (None, None, None);
    while let Some(element) = reader.next_child(&["Mode", "Days", "Years"])? {
        let text = match element {
            "Mode" => &mut mode,
            "Days" => &mut days,
            _ => &mut years,
        };
        reader.text_once(element, text)?;
    }
    let number = |element, text: &str| {
        text.trim().parse::<i64>().map_err(|_| XmlError::from(XmlFault::BadValue { element }))
    };
    let period = match (days, years) {
        (Some(days), None) => LockPeriod::Days(number("Days", &days)?),
        (None, Some(years)) => LockPeriod::Years(number("Years", &years)?),
        (Some(_), Some(_)) => return Err(XmlFault::BadValue { element: "Years" }.into()),
        (None, None) => return Err(XmlFault::Missing { element: "Days" }.into()),
    };
    Ok((mode_of(mode.as_deref())?, period))
}

fn mode_of(text: Option<&str>) -> Result<LockMode, XmlError> {
    let text = text.ok_or(XmlFault::Missing { element: "Mode" })?;
    LockMode::parse(text.trim()).ok_or_else(|| XmlFault::BadValue { element: "Mode" }.into())
}

/// Body of PutObjectRetention and GetObjectRetention.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionXml {
    /// Mode, and the time as it was written; nothing: no retention.
    pub retention: Option<(LockMode, String)>,
}

impl RetentionXml {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LOCK_LIMITS, "Retention")?;
        let (mut mode, mut until) = (None, None);
        while let Some(element) = reader.next_child(&["Mode", "RetainUntilDate"])? {
            reader.text_once(element, if element == "Mode" { &mut mode } else { &mut until })?;
        }
        reader.finish()?;
        let retention = match (mode, until) {
            (None, None) => None,
            (mode, Some(until)) => Some((mode_of(mode.as_deref())?, until.trim().to_owned())),
            (Some(_), None) => return Err(XmlFault::Missing { element: "RetainUntilDate" }.into()),
        };
        Ok(Self { retention })
    }

    /// The body of GetObjectRetention.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("Retention", 192);
        if let Some((mode, until)) = &self.retention {
            xml.text("Mode", mode.name());
            xml.text("RetainUntilDate", until);
        }
        xml.finish()
    }
}

/// Body of PutObjectLegalHold and GetObjectLegalHold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegalHold {
    /// Whether there is one.
    pub is_on: bool,
}

impl LegalHold {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LOCK_LIMITS, "LegalHold")?;
        let mut status = None;
        while let Some(element) = reader.next_child(&["Status"])? {
            reader.text_once(element, &mut status)?;
        }
        reader.finish()?;
        match status.as_deref().map(str::trim) {
            Some("ON") => Ok(Self { is_on: true }),
            Some("OFF") => Ok(Self { is_on: false }),
            Some(_) => Err(XmlFault::BadValue { element: "Status" }.into()),
            None => Err(XmlFault::Missing { element: "Status" }.into()),
        }
    }

    /// The body of GetObjectLegalHold.
    pub fn render(self) -> Vec<u8> {
        let mut xml = XmlWriter::new("LegalHold", 128);
        xml.text("Status", if self.is_on { "ON" } else { "OFF" });
        xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    const END: &str = "</ObjectLockConfiguration>";

    #[test]
    fn configurations_are_read_and_shown() {
        let rule = |inner: &str| {
            let text = format!("{BEGIN}<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>{END}");
            ObjectLockConfiguration::parse(text.as_bytes()).map(|read| read.default)
        };
        let days = rule("<Mode>GOVERNANCE</Mode><Days>3</Days>").unwrap();
        assert_eq!(days, Some((LockMode::Governance, LockPeriod::Days(3))));
        let years = rule("<Years>-1</Years><Mode>COMPLIANCE</Mode>").unwrap();
        assert_eq!(years, Some((LockMode::Compliance, LockPeriod::Years(-1))));
        for default in [days, years, None] {
            let shown = ObjectLockConfiguration { default };
            assert_eq!(ObjectLockConfiguration::parse(&shown.render()), Ok(shown));
        }
        for bad in [
            "",
            "<Mode>GOVERNANCE</Mode>",
            "<Days>1</Days>",
            "<Mode>governance</Mode><Days>1</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>",
            "<Mode>GOVERNANCE</Mode><Days>one</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><Days>1</Days>",
            "<Mode>GOVERNANCE</Mode><Weeks>1</Weeks>",
        ] {
            assert!(rule(bad).is_err(), "{bad}");
        }
        for bad in [
            "<ObjectLockConfiguration/>".to_owned(),
            format!("{BEGIN}<Rule/>{END}"),
            format!("{BEGIN}<Rule/><Rule/>{END}"),
            format!("{}{END}", BEGIN.replace(">Enabled<", ">Disabled<")),
        ] {
            assert!(ObjectLockConfiguration::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn retentions_and_holds_are_read_and_shown() {
        let until = "2030-01-01T00:00:00.000Z".to_owned();
        for retention in
            [None, Some((LockMode::Governance, until.clone())), Some((LockMode::Compliance, until))]
        {
            let shown = RetentionXml { retention };
            assert_eq!(RetentionXml::parse(&shown.render()), Ok(shown));
        }
        for is_on in [true, false] {
            assert_eq!(LegalHold::parse(&LegalHold { is_on }.render()), Ok(LegalHold { is_on }));
        }
        for bad in ["<Retention><Mode>GOVERNANCE</Mode></Retention>", "<Retention><Mode>x</Mode></Retention>"]
        {
            assert!(RetentionXml::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["<LegalHold/>", "<LegalHold><Status>on</Status></LegalHold>", "<Hold/>"] {
            assert!(LegalHold::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
