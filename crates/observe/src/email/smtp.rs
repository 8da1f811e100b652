//! Handing a mail to a server: the submission side of SMTP (RFC 5321), with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4616).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::ObserveError;
use crate::http::causes;

/// How long a server may take for a whole mail.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer answers are not an answer.
const LONGEST_ANSWER: usize = 1 << 16;

/// A server that takes mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Login>,
}

/// When what is said is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// Before the first word.
    FromTheStart,
    /// As soon as the server offers it.
    WhenOffered,
}

/// Who we are to the server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

impl Server {
    /// Hands over a mail, or says why the server did not take it.
    pub(super) async fn submit(&self, from: &str, recipient: &str, mail: &[u8]) -> Result<(), ObserveError> {
        let submitted = timeout(TIMEOUT, self.converse(from, recipient, mail)).await;
        submitted
            .unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
            .map_err(|e| ObserveError::refused(self.place(), e))
    }

    fn place(&self) -> String {
        format!("mail server {}:{}", self.host, self.port)
    }

    async fn converse(&self, from: &str, recipient: &str, mail: &[u8]) -> Result<(), String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| e.to_string())?;
        if self.tls == Tls::FromTheStart {
            let mut talk = Talk::new(self.encrypted(stream).await?);
            talk.expect(220).await?;
            let offers = talk.hello().await?;
            return self.hand_over(&mut talk, &offers, from, recipient, mail).await;
        }
        let mut talk = Talk::new(stream);
        talk.expect(220).await?;
        let offers = talk.hello().await?;
        if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
            if self.login.is_some() {
                return Err("the server offers no encryption, and a password is not sent without".to_owned());
            }
            return self.hand_over(&mut talk, &offers, from, recipient, mail).await;
        }
        talk.command("STARTTLS", 220).await?;
        // What an attacker sent ahead of the encryption is not read as if the server had said it.
        if !talk.stream.buffer().is_empty() {
            return Err("the server spoke before the encryption".to_owned());
        }
        let mut talk = Talk::new(self.encrypted(talk.stream.into_inner()).await?);
        let offers = talk.hello().await?;
        self.hand_over(&mut talk, &offers, from, recipient, mail).await
    }

    async fn hand_over<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        talk: &mut Talk<S>,
        offers: &[String],
        from: &str,
        recipient: &str,
        mail: &[u8],
    ) -> Result<(), String> {
        if let Some(login) = &self.login {
            let words = |offer: &String| offer.to_ascii_uppercase().split([' ', '=']).map(str::to_owned).collect::<Vec<_>>();
            let has_plain = offers.iter().map(words).any(|words| words[0] == "AUTH" && words.iter().any(|word| word == "PLAIN"));
            if !has_plain {
                return Err("the server does not take AUTH PLAIN".to_owned());
            }
            let plain = STANDARD.encode(format!("\0{}\0{}", login.user, login.password));
            talk.command(&format!("AUTH PLAIN {plain}"), 235).await.map_err(|said| format!("user and password: {said}"))?;
        }
        talk.command(&format!("MAIL FROM:<{from}>"), 250).await?;
        talk.send_line(&format!("RCPT TO:<{recipient}>")).await?;
        // 251: it is not theirs, and they pass it on.
        talk.expect_any(&[250, 251]).await.map_err(|said| format!("{recipient}: {said}"))?;
        talk.command("DATA", 354).await?;
        talk.send(&stuffed(mail)).await?;
        talk.expect(250).await?;
        // The mail is theirs now, whatever they say to our farewell.
        let _ = talk.send(b"QUIT\r\n").await;
        Ok(())
    }

    async fn encrypted(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| causes(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        connected.map_err(|error| format!("encryption: {}", causes(&error)))
    }
}

/// One conversation: a command, and an answer of one or more lines that begin with its code.
struct Talk<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Introduces ourselves; gives what the server offers.
    async fn hello(&mut self) -> Result<Vec<String>, String> {
        Ok(self.command("EHLO tranche", 250).await?.into_iter().skip(1).collect())
    }

    async fn command(&mut self, command: &str, code: u16) -> Result<Vec<String>, String> {
        self.send_line(command).await?;
        self.expect(code).await
    }

    async fn send_line(&mut self, command: &str) -> Result<(), String> {
        if command.contains(['\r', '\n']) {
            return Err("an address of more than one line".to_owned());
        }
        self.send(format!("{command}\r\n").as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| error.to_string())
    }

    /// The lines of the next answer without their code, which has to be this one.
    async fn expect(&mut self, code: u16) -> Result<Vec<String>, String> {
        self.expect_any(&[code]).await
    }

    /// The same of an answer whose code has to be one of these.
    async fn expect_any(&mut self, codes: &[u16]) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).await.map_err(|error| error.to_string())?;
            length += read;
            if read == 0 || length > LONGEST_ANSWER {
                return Err("the server ended the conversation".to_owned());
            }
            let line = line.trim_end();
            let (said, rest) = line.split_at_checked(3).ok_or_else(|| format!("not an answer: {line}"))?;
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                let is_expected = codes.iter().any(|code| said == code.to_string());
                return if is_expected { Ok(lines) } else { Err(format!("{said} {}", lines.join(" "))) };
            }
        }
    }
}

/// A mail as DATA takes it: a line that begins with a dot gets another, and a dot of its own ends it.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(mail.len() + 8);
    let mut at_start = true;
    for &byte in mail {
        if at_start && byte == b'.' {
            data.push(b'.');
        }
        data.push(byte);
        at_start = byte == b'\n';
    }
    if !data.ends_with(b"\r\n") {
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_dot_at_the_start_of_a_line_is_doubled() {
        assert_eq!(stuffed(b".a\r\n..b\r\nc."), b"..a\r\n...b\r\nc.\r\n.\r\n");
        assert_eq!(stuffed(b"a\r\n"), b"a\r\n.\r\n");
    }

    /// What a submission says to a server that answers with these lines, one for each of ours.
    async fn check(answers: &'static [&'static str], login: Option<Login>) -> (Result<(), ObserveError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut heard, mut in_data) = (Vec::new(), false);
            for answer in answers {
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
        let outcome = smtp.submit("a@b", "c@d", b"Subject: x\r\n\r\n.hidden\r\n").await;
        (outcome, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_mail_is_handed_over_line_by_line() {
        let answers = &["220 hello", "250-mail\r\n250 SIZE 1000", "250 ok", "250 ok", "354 go on", "250 taken"];
        let (outcome, heard) = check(answers, None).await;
        outcome.unwrap();
        let data = ["Subject: x", "", "..hidden", "."];
        let expected = ["EHLO tranche", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"].into_iter().chain(data).chain(["QUIT"]);
        assert_eq!(heard, expected.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_recipient_whose_mail_is_passed_on_is_no_refusal() {
        let answers = &["220 hello", "250 mail", "250 ok", "251 they moved", "354 go on", "250 taken"];
        check(answers, None).await.0.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_a_password_is_not_said_aloud() {
        let (outcome, _) = check(&["220 hello", "250 mail", "250 ok", "550 no such user"], None).await;
        assert!(outcome.unwrap_err().to_string().contains("c@d: 550 no such user"));
        let login = Login { user: "me".into(), password: "secret".into() };
        let (outcome, heard) = check(&["220 hello", "250-mail\r\n250 AUTH PLAIN"], Some(login)).await;
        assert!(outcome.unwrap_err().to_string().contains("no encryption"));
        assert_eq!(heard, ["EHLO tranche"]);
    }
}
