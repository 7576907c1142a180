//! What the links are like.

use std::time::Duration;

/// The command line.
#[derive(Debug, Clone)]
pub struct Options {
    pub nodes: usize,
    /// From one home to another and back.
    pub round_trip: Duration,
    /// How much the delay of a packet varies in all.
    pub jitter: Duration,
    /// Packets lost, of a million.
    pub loss_ppm: u64,
    /// What a home sends at most, in bits a second; none: without limit.
    pub bits_per_s: Option<f64>,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let ms = |value: f64| Duration::from_secs_f64(value.max(0.0) / 1000.0);
        let mut options = Self {
            nodes: 3,
            round_trip: ms(50.0),
            jitter: Duration::ZERO,
            loss_ppm: 0,
            bits_per_s: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            let number: f64 = value.parse().map_err(|_| format!("{word} {value}: not a number"))?;
            match word.as_str() {
                "--nodes" if (1.0..=200.0).contains(&number) => options.nodes = number as usize,
                "--rtt" => options.round_trip = ms(number),
                "--jitter" => options.jitter = ms(number),
                "--loss" => options.loss_ppm = (number * 10_000.0) as u64,
                "--mbit" => options.bits_per_s = Some(number * 1e6),
                _ => return Err(format!("{word} {value}: unknown")),
            }
        }
        Ok(options)
    }
}
