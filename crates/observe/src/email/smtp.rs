//! Submission of a mail over SMTP, with `lettre` speaking the protocol: when the connection is encrypted, and
//! what counts as a failure.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ObserveError;

/// How long a server may take for a whole mail.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may take to answer `QUIT`, when it has the mail already.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The ways to log in, the first of them that the server takes.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A server that takes mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Credentials>,
}

/// When the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// From its first byte.
    FromTheStart,
    /// As soon as the server offers it.
    WhenOffered,
}

impl Server {
    /// Submits a mail, or returns why the server did not take it.
    pub(super) async fn submit(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), ObserveError> {
        let taken = timeout(TIMEOUT, self.converse(envelope, mail)).await;
        let place = format!("mail server {}:{}", self.host, self.port);
        let taken = taken.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")));
        let mut talk = taken.map_err(|e| ObserveError::refused(place, e))?;
        // The server has the mail, whatever it answers to `QUIT`.
        let _ = timeout(QUIT_TIMEOUT, talk.quit()).await;
        Ok(())
    }

    /// The dialogue up to where the server has taken the mail.
    async fn converse(&self, envelope: &Envelope, mail: &[u8]) -> Result<AsyncSmtpConnection, String> {
        let mut talk = self.connected().await?;
        if let Some(login) = &self.login {
            if !talk.is_encrypted() {
                return Err("the server offers no encryption, and a password is not sent without".to_owned());
            }
            talk.auth(&MECHANISMS, login).await.map_err(|error| format!("user and password: {error}"))?;
        }
        let recipients: Vec<&str> = envelope.to().iter().map(AsRef::as_ref).collect();
        talk.send(envelope, mail).await.map_err(|error| format!("{}: {error}", recipients.join(", ")))?;
        Ok(talk)
    }

    async fn connected(&self) -> Result<AsyncSmtpConnection, String> {
        let (name, server) = (ClientId::Domain("tranche".to_owned()), (self.host.as_str(), self.port));
        let failed = |error: lettre::transport::smtp::Error| error.to_string();
        let encryption = |error: lettre::transport::smtp::Error| format!("encryption: {error}");
        let tls = || TlsParameters::new_rustls(self.host.clone()).map_err(encryption);
        if self.tls == Tls::FromTheStart {
            return AsyncSmtpConnection::connect_tokio1(server, Some(TIMEOUT), &name, Some(tls()?), None)
                .await
                .map_err(failed);
        }
        let stream = TcpStream::connect(server).await.map_err(|error| error.to_string())?;
        let mut talk = AsyncSmtpConnection::connect_with_transport(Box::new(Stepwise(stream)), &name)
            .await
            .map_err(failed)?;
        if talk.can_starttls() {
            talk.starttls(tls()?, &name).await.map_err(encryption)?;
        }
        Ok(talk)
    }
}

/// A stream that is read byte by byte: bytes that an attacker sends ahead of the encryption are not taken for
/// later answers of the server, but for a part of the encryption, which fails.
#[derive(Debug)]
struct Stepwise(TcpStream);

impl AsyncRead for Stepwise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.0).poll_read(context, &mut one);
        target.put_slice(one.filled());
        read
    }
}

impl AsyncWrite for Stepwise {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Stepwise {
    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// What a submission says to a server that answers with these lines, one for each of ours. It hangs up
    /// afterwards, or stays silent where its last answer is empty.
    async fn check(
        answers: &'static [&'static str],
        login: Option<Credentials>,
    ) -> (Result<(), ObserveError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut heard, mut in_data) = (Vec::new(), false);
            for answer in answers {
                if answer.is_empty() {
                    let mut rest = String::new();
                    let _ = stream.read_line(&mut rest).await;
                    return heard;
                }
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return heard;
                    }
                    let line = line.trim_end().to_owned();
                    let ends = !in_data || line == ".";
                    in_data = (in_data && line != ".") || line == "DATA";
                    heard.push(line);
                    if ends {
                        break;
                    }
                }
            }
            heard
        });
        let smtp = Server { host: "127.0.0.1".into(), port, tls: Tls::WhenOffered, login };
        let address = |text: &str| text.parse().unwrap();
        let envelope = Envelope::new(Some(address("a@example.org")), vec![address("c@example.org")]).unwrap();
        let outcome = smtp.submit(&envelope, b"Subject: x\r\n\r\n.hidden").await;
        (outcome, server.await.unwrap())
    }

    /// The server hangs up or says nothing to our farewell: it has the mail all the same, and does not get it
    /// twice.
    #[tokio::test]
    async fn a_mail_that_was_taken_is_sent() {
        let hangs_up =
            &["220 hello", "250-mail\r\n250 SIZE 1000", "250 ok", "250 ok", "354 go on", "250 taken"];
        let is_silent =
            &["220 hello", "250-mail\r\n250 SIZE 1000", "250 ok", "250 ok", "354 go on", "250 taken", ""];
        for answers in [hangs_up.as_slice(), is_silent] {
            let (outcome, heard) = check(answers, None).await;
            outcome.unwrap();
            let data = ["Subject: x", "", "..hidden", "."];
            let said = ["EHLO tranche", "MAIL FROM:<a@example.org>", "RCPT TO:<c@example.org>", "DATA"];
            assert_eq!(heard, said.into_iter().chain(data).chain(["QUIT"]).collect::<Vec<_>>());
        }
    }

    /// An attacker in between sends answers together with the server's to STARTTLS.
    #[tokio::test]
    async fn answers_before_the_encryption_are_discarded() {
        let answers = &[
            "220 hello",
            "250-mail\r\n250 STARTTLS",
            "220 go on\r\n250 mail\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n221 bye",
            "",
        ];
        let (outcome, heard) = check(answers, None).await;
        assert!(outcome.unwrap_err().to_string().contains("encryption: "));
        assert_eq!(heard[..2], ["EHLO tranche", "STARTTLS"]);
    }

    #[tokio::test]
    async fn a_refusal_is_reported() {
        let (outcome, _) = check(&["220 hello", "250 mail", "250 ok", "550 no such user"], None).await;
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("c@example.org") && message.contains("550") && message.contains("no such user"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_password_is_not_said_aloud() {
        let login = Credentials::new("me".into(), "secret".into());
        let (outcome, heard) = check(&["220 hello", "250-mail\r\n250 AUTH PLAIN"], Some(login)).await;
        assert!(outcome.unwrap_err().to_string().contains("no encryption"));
        assert_eq!(heard, ["EHLO tranche"]);
    }
}
