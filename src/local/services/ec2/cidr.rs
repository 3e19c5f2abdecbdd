//! IPv4 blocks: parsing, containment and conflict, as the network services compare them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A block with its host bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: u32,
    pub prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/16`. Host bits are cleared, as AWS does in silence.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Cidr {
            base: u32::from(address) & mask(prefix),
            prefix,
        })
    }

    pub fn contains(self, other: Cidr) -> bool {
        self.prefix <= other.prefix && other.base & mask(self.prefix) == self.base
    }

    pub fn overlaps(self, other: Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    pub fn size(self) -> u64 {
        1 << (32 - self.prefix)
    }

    /// Returns the address at this place in the block.
    pub fn address(self, place: u64) -> Ipv4Addr {
        Ipv4Addr::from(self.base.wrapping_add(place as u32))
    }

    pub fn has(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.base
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

/// Returns an IPv6 block in its canonical form.
pub fn canonical_v6(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 128)?;
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Some(format!("{}/{prefix}", Ipv6Addr::from(u128::from(address) & mask)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).expect("a block")
    }

    #[test]
    fn host_bits_are_cleared() {
        assert_eq!(cidr("10.0.1.5/24").to_string(), "10.0.1.0/24");
        assert_eq!(cidr("10.0.1.5/0").to_string(), "0.0.0.0/0");
        assert_eq!(canonical_v6("2001:DB8::1/32").as_deref(), Some("2001:db8::/32"));
    }

    #[test]
    fn blocks_contain_and_overlap() {
        assert!(cidr("10.0.0.0/16").contains(cidr("10.0.255.0/24")));
        assert!(!cidr("10.0.0.0/16").contains(cidr("10.1.0.0/24")));
        assert!(cidr("10.0.0.0/25").overlaps(cidr("10.0.0.0/24")));
        assert!(!cidr("10.0.0.0/25").overlaps(cidr("10.0.0.128/25")));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/-1", "/8", ""] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
