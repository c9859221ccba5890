//! What comes over the wire: to the client, and to the sandbox.

use std::time::Duration;

use redivis_ingest::redivis::probes as client;
use redivis_ingest::sandbox::probes as server;

/// `Range` is `bytes=0-N` (or `0-N`) and nothing else.
pub(super) fn range(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let plain = text.trim();
    let plain = plain.strip_prefix("bytes=").unwrap_or(plain);
    // Another way to read it: digits are added up one by one.
    let wanted = plain.strip_prefix("0-").filter(|digits| !digits.is_empty());
    let wanted = wanted.and_then(|digits| {
        let last = digits.chars().try_fold(0_u128, |sum, digit| {
            let digit = digit
                .is_ascii_digit()
                .then(|| digit.to_digit(10))
                .flatten()?;
            Some((sum * 10 + u128::from(digit)).min(u128::from(u64::MAX)))
        })?;
        u64::try_from(last + 1).ok()
    });
    assert_eq!(client::range(&text), wanted, "{text:?}");
}

/// `Retry-After` is never shorter than a second or longer than five minutes.
pub(super) fn retry_after(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for now_ms in [0, 1_800_000_000_000, i64::MAX, i64::MIN] {
        if let Some(delay) = client::retry_after(&text, now_ms) {
            let allowed = Duration::from_secs(1)..=Duration::from_secs(300);
            assert!(allowed.contains(&delay), "{text:?}: {delay:?}");
        }
    }
}

/// A listing that is taken holds all that it says, and one whose transport said
/// nothing of its end is taken only if it is taken with it.
pub(super) fn listing(data: &[u8]) {
    let framed = client::listing(data, true);
    if let Some(files) = &framed {
        let said: usize = files
            .iter()
            .map(|file| file.id.len() + file.name.len())
            .sum();
        assert!(said <= data.len());
    }
    let unframed = client::listing(data, false);
    assert!(unframed.is_none() || unframed == framed);
}

/// A head that is whole is the same whatever follows it.
pub(super) fn head(data: &[u8]) {
    if let Some(length) = server::head(data) {
        assert!(length <= data.len());
        assert_eq!(server::head(&data[..length]), Some(length));
        let longer = [&data[..length], b"GET"].concat();
        assert_eq!(server::head(&longer), Some(length));
        // A head that was whole before its last byte would end there.
        assert_eq!(server::head(&data[..length - 1]), None);
    }
}

/// Parts are the same however a body is cut into pieces, and hold bytes of it.
pub(super) fn multipart(data: &[u8]) {
    let kind = "multipart/form-data; boundary=B";
    let whole = server::multipart(kind, data, usize::MAX).ok();
    for step in [1, 7] {
        assert_eq!(server::multipart(kind, data, step).ok(), whole, "{step}");
    }
    if let Some(parts) = whole.flatten() {
        let said: usize = parts.iter().map(|(_, content)| content.len()).sum();
        assert!(said <= data.len());
    }
}
