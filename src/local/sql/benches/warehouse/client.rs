//! The least that a PostgreSQL client does before its first answer.

use std::net::SocketAddr;

use async_trait::async_trait;
use lakeform_sql::{Credential, Login, Password};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Anyone;

#[async_trait]
impl Login for Anyone {
    async fn credential(&self, user: &str) -> Option<Credential> {
        Some(Credential {
            password: Password::Plain("secret".into()),
            user: user.into(),
            superuser: true,
        })
    }
}

/// Connects, logs in, asks `select 1` and reads the answer.
pub async fn select_one(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut startup = 196_608u32.to_be_bytes().to_vec();
    startup.extend_from_slice(b"user\0awsuser\0database\0dev\0\0");
    stream.write_u32(startup.len() as u32 + 4).await?;
    stream.write_all(&startup).await?;
    let (_, challenge) = message(&mut stream).await?;
    let inner = format!("{:x}", md5::compute("secretawsuser"));
    let salted = [inner.as_bytes(), challenge.get(4..8).unwrap_or_default()].concat();
    send(&mut stream, b'p', format!("md5{:x}\0", md5::compute(salted)).as_bytes()).await?;
    until_ready(&mut stream).await?;
    send(&mut stream, b'Q', b"select 1\0").await?;
    until_ready(&mut stream).await
}

async fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) -> std::io::Result<()> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await
}

async fn message(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await? as usize;
    let mut body = vec![0; length.saturating_sub(4)];
    stream.read_exact(&mut body).await?;
    match kind {
        b'E' => Err(std::io::Error::other(String::from_utf8_lossy(&body).into_owned())),
        kind => Ok((kind, body)),
    }
}

async fn until_ready(stream: &mut TcpStream) -> std::io::Result<()> {
    while message(stream).await?.0 != b'Z' {}
    Ok(())
}
