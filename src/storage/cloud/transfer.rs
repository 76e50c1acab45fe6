//! Files to and from a bucket: large ones in parts, each tried again by itself; what arrived is kept, and compared with the store's
//! checksum before it counts.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use futures_util::StreamExt;
use md5::{Digest as _, Md5};
use object_store::{GetOptions, GetRange, ObjectStoreExt, PutPayload, PutResult};
use sha2::Sha256;

use super::fault::{Fault, Kind, Patience};
use super::wire::Checksums;
use super::{Bucket, Buckets, key_of, patient};
use crate::error::{Error, Result};
use crate::storage::{Cloud, Listed, RemotePlace, Sent};

/// A content that does not match its checksum is fetched this often in all.
const TRIES_OF_A_WRONG_CONTENT: u32 = 2;

impl Buckets {
    pub(in crate::storage) fn fetch(
        &self,
        from: &Listed,
        place: &RemotePlace,
        to: &Path,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let partial = partial_of(from, to)?;
        let mut wrong = 0;
        loop {
            let checksums = self.download(from, place, &partial, told)?;
            let Some((saw, says)) = compare(&partial, place.cloud, &checksums, &from.tag)? else { break };
            fs::remove_file(&partial).map_err(|e| Error::io("remove a damaged download", &partial, e))?;
            wrong += 1;
            if wrong == TRIES_OF_A_WRONG_CONTENT {
                return Err(Error::new(format!("what arrived is not what the store says it holds, {wrong} times"))
                    .at(place)
                    .seen(format!("checksum {saw}, not {says}"))
                    .advice("nothing of it was kept; something between here and the store changes bytes: try another network"));
            }
        }
        File::open(&partial)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&partial, to))
            .map_err(|e| Error::io("put a download into place", to, e))
    }

    /// Brings the rest of the object into `partial`.
    fn download(
        &self,
        from: &Listed,
        place: &RemotePlace,
        partial: &Path,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<Checksums> {
        let key = key_of(place)?;
        let bucket = self.bucket(place).map_err(|error| Fault::of(&error).told("fetch it", place))?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(partial)
            .map_err(|e| Error::io("write a download", partial, e))?;
        let mut here = file.metadata().map_err(|e| Error::io("write a download", partial, e))?.len();
        told(here);
        let silence = self.settings.silent_for;
        let condition =
            || GetOptions { if_match: Some(from.tag.clone()).filter(|tag| !tag.is_empty()), ..GetOptions::default() };
        self.wait(async {
            let mut patience = Patience::new(&self.settings, place);
            loop {
                let head = here == from.bytes;
                let range = (here > 0 && !head).then_some(GetRange::Offset(here));
                let options = GetOptions { range, head, ..condition() };
                let asked = patient(silence, bucket.get_opts(&key, options)).await;
                let fault = match asked {
                    Err(waited) => Fault::silent(waited),
                    Ok(Err(error)) => Fault::of(&error),
                    Ok(Ok(found)) if found.meta.size != from.bytes => {
                        return Err(changed(place, &format!("{} bytes, not {}", found.meta.size, from.bytes)));
                    }
                    Ok(Ok(found)) => {
                        let checksums = found.extensions.get::<Checksums>().cloned().unwrap_or_default();
                        if head {
                            return Ok(checksums);
                        }
                        let mut stream = found.into_stream();
                        loop {
                            match patient(silence, stream.next()).await {
                                Err(waited) => break Fault::silent(waited),
                                Ok(Some(Err(error))) => break Fault::of(&error),
                                Ok(None) if here == from.bytes => return Ok(checksums),
                                Ok(None) => {
                                    break Fault::away(format!("it ended after {here} of {} bytes", from.bytes));
                                }
                                Ok(Some(Ok(bytes))) => {
                                    file.write_all(&bytes).map_err(|e| Error::io("write a download", partial, e))?;
                                    here += bytes.len() as u64;
                                    patience.renew();
                                    told(here);
                                }
                            }
                        }
                    }
                };
                if fault.kind == Kind::Refused {
                    return Err(changed(place, "another version"));
                }
                super::pause(patience.after(fault, silence).map_err(|fault| fault.told("fetch it", place))?).await;
            }
        })
    }

    pub(in crate::storage) fn send(&self, from: &Path, to: &RemotePlace, told: &(dyn Fn(u64) + Sync)) -> Result<Sent> {
        let bucket = self.bucket(to).map_err(|error| Fault::of(&error).told("write it", to))?;
        let reading = |e| Error::io("read", from, e);
        let mut file = File::open(from).map_err(reading)?;
        let total = file.metadata().map_err(reading)?.len();
        told(0);
        let mut content = Content { sha256: Sha256::new(), crc32c: Crc::new(CrcAlgorithm::Crc32Iscsi), bytes: 0 };
        let done = if total <= self.settings.part_bytes {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(reading)?;
            content.add(&bytes);
            let payload = PutPayload::from(bytes);
            let key = key_of(to)?;
            let within = self.time_for(total);
            self.wait(self.patiently(to, within, async || bucket.put(&key, payload.clone()).await))
                .map_err(|fault| fault.told("write it", to))?
        } else {
            self.send_parts(&bucket, &mut file, total, to, &mut content, told).map_err(|error| match error {
                Halted::Reading(e) => reading(e),
                Halted::Store(fault) => fault.told("write it", to),
            })?
        };
        if content.bytes != total {
            return Err(Error::new("a file changed while it was sent")
                .at(from.display())
                .seen(format!("{} bytes, not {total}", content.bytes))
                .advice("run the command again when nobody writes it"));
        }
        told(total);
        self.confirm(to, &content, &done)?;
        let sha256 = hex(&content.sha256.finalize());
        Ok(Sent { bytes: total, sha256, tag: done.e_tag.unwrap_or_default() })
    }

    fn send_parts(
        &self,
        bucket: &Arc<dyn Bucket>,
        file: &mut File,
        total: u64,
        to: &RemotePlace,
        content: &mut Content,
        told: &(dyn Fn(u64) + Sync),
    ) -> std::result::Result<PutResult, Halted> {
        let key = key_of(to).map_err(|e| Halted::Store(Fault::away(e.to_string())))?;
        // No store takes more than 10,000 parts.
        let part = self.settings.part_bytes.max(total.div_ceil(9_000));
        let silence = self.settings.silent_for;
        self.wait(async {
            let id = self.patiently(to, silence, async || bucket.create_multipart(&key).await).await?;
            let sent = async {
                let mut parts = Vec::new();
                loop {
                    let mut bytes = Vec::new();
                    Read::take(&mut *file, part).read_to_end(&mut bytes).map_err(Halted::Reading)?;
                    if bytes.is_empty() {
                        break;
                    }
                    content.add(&bytes);
                    let (bytes, ix) = (Bytes::from(bytes), parts.len());
                    let within = self.time_for(bytes.len() as u64);
                    let put = async || bucket.put_part(&key, &id, ix, PutPayload::from_bytes(bytes.clone())).await;
                    parts.push(self.patiently(to, within, put).await?);
                    told(content.bytes);
                }
                let finish = async || bucket.complete_multipart(&key, &id, parts.clone()).await;
                Ok(self.patiently(to, silence * 4, finish).await?)
            };
            let sent = sent.await;
            if sent.is_err() {
                // Parts of an upload that never ends are paid for; if this fails too, the bucket's lifecycle rule removes them.
                let _ = tokio::time::timeout(silence, bucket.abort_multipart(&key, &id)).await;
            }
            sent
        })
    }

    /// Compares what the store says it holds with what was sent.
    fn confirm(&self, to: &RemotePlace, content: &Content, done: &PutResult) -> Result<()> {
        let mut checksums = done.extensions.get::<Checksums>().cloned().unwrap_or_default();
        if to.cloud == Cloud::Google && checksums.crc32c.is_none() {
            let key = key_of(to)?;
            let options = GetOptions { head: true, ..GetOptions::default() };
            let found = self.ask("look at what was sent", to, self.settings.silent_for, async |bucket| {
                bucket.get_opts(&key, options.clone()).await
            })?;
            checksums = found.extensions.get::<Checksums>().cloned().unwrap_or_default();
        }
        let sent = base64(&(content.crc32c.finalize() as u32).to_be_bytes());
        match checksums.crc32c {
            Some(there) if there != sent => {
                self.remove(to)?;
                Err(Error::new("what the store holds is not what was sent; it was removed there")
                    .at(to)
                    .seen(format!("checksum {there}, not {sent}"))
                    .advice("something between here and the store changes bytes: run the command again, or try another network"))
            }
            _ => Ok(()),
        }
    }
}

enum Halted {
    Reading(std::io::Error),
    Store(Fault),
}

impl From<Fault> for Halted {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

/// What was sent so far.
struct Content {
    sha256: Sha256,
    crc32c: Crc,
    bytes: u64,
}

impl Content {
    fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc32c.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

fn changed(place: &RemotePlace, seen: &str) -> Error {
    Error::new("the object changed while it was fetched")
        .at(place)
        .seen(seen)
        .advice("run the command again when nobody writes it")
}

/// The file beside `to` that a download grows in: its name says of which content. Those of other contents are removed.
fn partial_of(from: &Listed, to: &Path) -> Result<PathBuf> {
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io("make the folder of a download", folder, e))?;
    let content = hex(&Sha256::digest(format!("{} {} {}", from.place, from.tag, from.bytes)));
    let (start, own) = (format!(".{name}."), format!(".{name}.{}.fetching", &content[..12]));
    let entries = fs::read_dir(folder).map_err(|e| Error::io("list the folder of a download", folder, e))?;
    for entry in entries.flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        let is_old = other.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".fetching"));
        if is_old.is_some_and(|middle| middle.len() == 12) && other != own {
            let _ = fs::remove_file(entry.path());
        }
    }
    let partial = folder.join(own);
    // Longer than the object: no beginning of it.
    if fs::metadata(&partial).is_ok_and(|facts| facts.len() > from.bytes) {
        fs::remove_file(&partial).map_err(|e| Error::io("remove an old download", &partial, e))?;
    }
    Ok(partial)
}

/// The checksum of a file and the store's, where these differ.
fn compare(path: &Path, cloud: Cloud, checksums: &Checksums, tag: &str) -> Result<Option<(String, String)>> {
    let reading = |e| Error::io("read a download", path, e);
    let tag = tag.trim_matches('"');
    let is_md5 = tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(says) = &checksums.crc32c {
        let mut crc = Crc::new(CrcAlgorithm::Crc32Iscsi);
        each_block(path, |block| crc.update(block)).map_err(reading)?;
        let saw = base64(&(crc.finalize() as u32).to_be_bytes());
        return Ok((saw != *says).then(|| (saw, says.clone())));
    }
    if cloud == Cloud::Amazon && is_md5 && !checksums.tag_is_no_md5 {
        let mut md5 = Md5::new();
        each_block(path, |block| md5.update(block)).map_err(reading)?;
        let saw = hex(&md5.finalize());
        return Ok((saw != tag.to_ascii_lowercase()).then(|| (saw, tag.to_owned())));
    }
    Ok(None)
}

fn each_block(path: &Path, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            read => take(&block[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base 64 as RFC 4648 has it, for a checksum's few bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `foob` and `fooba`: RFC 4648, section 10. The CRC-32C of 32 zeros: RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_written_as_google_does() {
        assert_eq!((base64(b"foob").as_str(), base64(b"fooba").as_str()), ("Zm9vYg==", "Zm9vYmE="));
        assert_eq!(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &[0; 32]), 0x8a91_36aa);
    }
}
