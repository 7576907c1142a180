//! Where the server under test is: read from the environment that `script/torture clients` sets.

/// Address, key and region of the server under test.
pub struct Target {
    /// `http://host:port`
    pub endpoint: String,
    /// Access key id.
    pub key_id: String,
    /// Secret key.
    pub secret: String,
    /// Region to sign for.
    pub region: String,
}

impl Target {
    /// Panics with the name of the missing variable: these programs run from `script/torture clients` only.
    pub fn from_environment() -> Self {
        let read = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        Self {
            endpoint: read("ENDPOINT"),
            key_id: read("ACCESS_KEY_ID"),
            secret: read("SECRET_ACCESS_KEY"),
            region: read("REGION"),
        }
    }
}
