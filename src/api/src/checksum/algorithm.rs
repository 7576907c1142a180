//! The checksum algorithms and the two ways a multipart object's checksum is made of its parts'.

/// A checksum algorithm. The numbers are stored with objects: they never change and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in zip and Ethernet.
    Crc32 = 1,
    /// CRC-32C, Castagnoli.
    Crc32c = 2,
    /// CRC-64 of the NVMe standard.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
    /// SHA-512.
    Sha512 = 6,
    /// MD5; also the meaning of `Content-MD5`.
    Md5 = 7,
    /// XXH64 with seed 0.
    XxHash64 = 8,
    /// XXH3, 64 bits.
    XxHash3 = 9,
    /// XXH3, 128 bits.
    XxHash128 = 10,
}

/// How the checksum of a multipart object relates to its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumType {
    /// The checksum of the parts' checksums, followed by the number of parts.
    Composite,
    /// The checksum of the object's bytes.
    FullObject,
}

impl ChecksumAlgorithm {
    /// Every algorithm, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The number stored with objects.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The algorithm with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.code() == code)
    }

    /// The name in `x-amz-checksum-algorithm` and in XML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// The algorithm with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The header, or trailer, that carries a value.
    pub fn header_name(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::Md5 => "x-amz-checksum-md5",
            Self::XxHash64 => "x-amz-checksum-xxhash64",
            Self::XxHash3 => "x-amz-checksum-xxhash3",
            Self::XxHash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// The algorithm whose values this header carries, in any case.
    pub fn from_header_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header_name().eq_ignore_ascii_case(name))
    }

    /// The length of a value.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether a multipart object may have a checksum of this type. Only CRCs can be combined into the
    /// checksum of the whole, and CRC64NVME exists in that form only.
    pub fn supports(self, kind: ChecksumType) -> bool {
        match (self, kind) {
            (Self::Crc32 | Self::Crc32c, _) => true,
            (Self::Crc64Nvme, kind) => kind == ChecksumType::FullObject,
            (
                Self::Sha1
                | Self::Sha256
                | Self::Sha512
                | Self::Md5
                | Self::XxHash64
                | Self::XxHash3
                | Self::XxHash128,
                kind,
            ) => kind == ChecksumType::Composite,
        }
    }

    /// The type of a multipart object whose upload named only the algorithm.
    pub fn default_type(self) -> ChecksumType {
        if self.supports(ChecksumType::Composite) {
            ChecksumType::Composite
        } else {
            ChecksumType::FullObject
        }
    }
}

impl ChecksumType {
    /// The number stored with objects.
    pub fn code(self) -> u8 {
        match self {
            Self::Composite => 1,
            Self::FullObject => 2,
        }
    }

    /// The type with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Composite, Self::FullObject].into_iter().find(|kind| kind.code() == code)
    }

    /// The name in `x-amz-checksum-type` and in XML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    /// The type with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Composite, Self::FullObject].into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}
