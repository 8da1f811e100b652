//! Mails, composed and handed over by `lettre`.

mod smtp;

use std::time::SystemTime;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use url::Url;

use crate::error::ObserveError;
use crate::notify::Message;
use smtp::{Server, Tls};

/// Who sends mails to whom, over which server.
#[derive(Debug, Clone)]
pub(crate) struct Mailer {
    server: Server,
    from: Mailbox,
    recipient: Mailbox,
}

impl Mailer {
    /// Mails over the server of a URL: `smtps://user:password@host:465` is encrypted from the start,
    /// `smtp://host:587` as soon as the server offers it, which it must where there is a password.
    pub(crate) fn new(url: &str, from: &str, recipient: &str) -> Result<Self, ObserveError> {
        let url =
            Url::parse(url).map_err(|error| ObserveError::place("a mail server of tranche.yaml", error))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host =
            host.ok_or_else(|| ObserveError::place("a mail server of tranche.yaml", "its URL has no host"))?;
        let place = format!("{}://{host}", url.scheme());
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::FromTheStart, 465),
            "smtp" => (Tls::WhenOffered, 587),
            other => return Err(ObserveError::place(place, format!("`{other}` is neither smtp nor smtps"))),
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => {
                Some(Credentials::new(percent_decoded(user), percent_decoded(password)))
            }
            _ => {
                return Err(ObserveError::place(
                    place,
                    "a user needs a password: `smtps://user:${PASSWORD}@host`",
                ));
            }
        };
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|e| ObserveError::place(text, e));
        Ok(Self {
            server: Server { host: host.to_owned(), port: url.port().unwrap_or(port), tls, login },
            from: mailbox(from)?,
            recipient: mailbox(recipient)?,
        })
    }

    /// Sends a message. Its id is that of the mail too, so that mail programs show a repetition once.
    pub(crate) async fn send(&self, message: &Message, footer: &str) -> Result<(), ObserveError> {
        let mail = self.compose(message, footer)?;
        self.server.submit(mail.envelope(), &mail.formatted()).await
    }

    fn compose(&self, message: &Message, footer: &str) -> Result<lettre::Message, ObserveError> {
        let mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(self.recipient.clone())
            .subject(&message.title)
            .date(SystemTime::from(message.at))
            .message_id(Some(format!("<{}@tranche>", message.id)))
            .header(ContentType::TEXT_PLAIN);
        let lines = [message.title.as_str(), "", message.text.as_str(), "", footer, ""];
        mail.body(lines.join("\n")).map_err(|error| ObserveError::place("a mail", error))
    }
}

/// What `%40` and the like stand for in the user and password of a URL.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_the_server_is_spoken_to() {
        let mailer = |url: &str| Mailer::new(url, "Tranche <t@example.org>", "a@example.org");
        let found = mailer("smtps://me%40example.org:p%25%C3%A4@mail.example.org").unwrap().server;
        assert_eq!((found.port, found.tls), (465, Tls::FromTheStart));
        assert_eq!(found.login, Some(Credentials::new("me@example.org".into(), "p%ä".into())));
        let found = mailer("smtp://127.0.0.1:2525").unwrap().server;
        assert_eq!((found.port, found.tls, found.login), (2525, Tls::WhenOffered, None));
        for wrong in ["http://x", "smtp://me@host", "smtp:", "no url"] {
            assert!(mailer(wrong).is_err(), "{wrong}");
        }
        assert!(Mailer::new("smtp://x", "nobody", "a@example.org").is_err());
    }
}
