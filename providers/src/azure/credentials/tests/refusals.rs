//! What is answered instead of a token.

use super::*;

async fn refused(answers: impl IntoIterator<Item = Answer>) -> (Error, usize) {
    let server = Scripted::start(answers).await;
    let error = found(application(&server)).token().await.unwrap_err();
    assert!(!printed(&error).contains("hunter2"), "{}", printed(&error));
    (error, server.asked().len())
}

#[tokio::test]
async fn what_entra_says_is_told_with_what_to_do() {
    for (words, reason, hint) in [
        (
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client \
             secret value, not the client secret ID, for a secret added to app 'c11e47'.",
            "the secret is not one of the application's; its value is wanted, not its id",
            "make another: az ad app credential reset --append --id c11e47",
        ),
        (
            "AADSTS7000222: The provided client secret keys for app 'c11e47' are expired.",
            "the secret has run out",
            "make another: az ad app credential reset --append --id c11e47",
        ),
        (
            "AADSTS700016: Application with identifier 'c11e47' was not found in the directory 'Contoso'.",
            "the tenant has no such application",
            "compare AZURE_CLIENT_ID and AZURE_TENANT_ID: az ad sp show --id c11e47",
        ),
        (
            "AADSTS90002: Tenant 'contoso.example' not found.",
            "there is no such tenant in this cloud",
            "compare AZURE_TENANT_ID and AZURE_AUTHORITY_HOST: az account show --query tenantId",
        ),
        (
            "AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:a/b'.",
            "no federated credential of the application is for this token's issuer, subject and audience",
            "az ad app federated-credential list --id c11e47",
        ),
        (
            "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered.",
            "the certificate is not one of the application's, or has run out",
            "az ad app credential list --cert --id c11e47",
        ),
        (
            "AADSTS700024: Client assertion is not within its valid time range.",
            "what was signed is not good now",
            "compare the clock: date -u",
        ),
        (
            "AADSTS1: hunter2 is none.\r\nTrace ID: 1",
            "no token is given for it",
            "compare AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST with what the tenant has",
        ),
    ] {
        let (error, asked) = refused([refusal(401, words)]).await;
        let what = "azure: cannot use AZURE_CLIENT_SECRET of the application c11e47";
        assert_eq!(error.to_string(), format!("{what}: {reason}"));
        assert_eq!((error.kind(), error.hint(), asked), (ErrorKind::Permission, Some(hint), 1), "{words}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("401 Unauthorized: invalid_client: AADSTS") && !source.contains('\n'), "{source}");
    }
}

#[tokio::test]
async fn what_stands_in_between_is_told_from_who_gives_tokens() {
    let page = "<html>\n<head><title>Sign in to the network</title></head>hunter2</html>";
    let header = vec![("Location", "http://127.0.0.1:1/portal".to_owned())];
    for (answer, told) in [
        (Answer::json(page), "200 OK: Sign in to the network"),
        (Answer::refusal(403, page), "403 Forbidden: Sign in to the network"),
        (Answer::Whole(302, header, String::new()), "302 Found"),
        (Answer::json(""), "200 OK"),
        (Answer::json(r#"{"token": "hunter2"}"#), "200 OK"),
        (Answer::json("\"hunter2\""), "200 OK"),
        (Answer::refusal(400, "[]"), "400 Bad Request"),
    ] {
        let (error, asked) = refused([answer]).await;
        assert!(error.to_string().ends_with("who answered is not who gives tokens"), "{error}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!((error.kind(), &*source, asked), (ErrorKind::Unavailable, told, 1));
    }
}

#[tokio::test]
async fn a_failure_of_the_other_sides_own_is_asked_about_again() {
    for failure in [refusal(500, "AADSTS90033: A transient error."), refusal(503, "x"), Answer::refusal(429, "")] {
        let server = Scripted::start([failure, token("first", 3599)]).await;
        assert_eq!(found(application(&server)).token().await.unwrap().expose(), "first");
    }
    let server = Scripted::start([Answer::Lost, token("first", 3599)]).await;
    assert_eq!(found(application(&server)).token().await.unwrap().expose(), "first");
    let (error, asked) = refused(vec![refusal(503, "x"); 9]).await;
    assert_eq!((error.kind(), asked), (ErrorKind::Unavailable, 4));
    let (error, asked) = refused(vec![refusal(429, "x"); 9]).await;
    assert_eq!((error.kind(), asked), (ErrorKind::Busy, 4));
}

#[tokio::test]
async fn a_token_that_can_be_none_or_is_over_is_not_used() {
    let given = |value: Value| Answer::json(&value.to_string());
    let end = chrono::Utc::now().timestamp();
    for (answer, words) in [
        (token("first", 0), "over already by this machine's clock"),
        (given(json!({ "access_token": "a", "expires_on": end - 9 })), "over already by this machine's clock"),
        (given(json!({ "access_token": "a", "expires_on": "06/19/2019 19:58:09" })), "doesn't say how long"),
        (given(json!({ "access_token": "a" })), "doesn't say how long"),
        (token("", 3599), "the token that was given is none"),
        (token("hunter2\r\nX-Evil: 1", 3599), "the token that was given is none"),
    ] {
        let (error, _) = refused([answer]).await;
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
