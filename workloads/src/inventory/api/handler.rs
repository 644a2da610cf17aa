//! The HTTP side: what a request must carry, and which status says what.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read::ProductView;
use super::stock::Refusal;
use super::write::{Answer, Failure};
use super::{Api, Purchase};
use crate::service::log;

/// The routes of the service.
pub(super) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/products/{product}", get(product))
        .route("/products/{product}/purchases", post(purchase))
        .with_state(api)
}

async fn product(State(api): State<Arc<Api>>, Path(product): Path<String>) -> Result<Json<ProductView>, Failure> {
    api.patterns.read.product(&api, &product).await.map(Json)
}

/// The body of a purchase.
#[derive(Debug, Deserialize)]
struct PurchaseBody {
    quantity: i64,
}

async fn purchase(
    State(api): State<Arc<Api>>,
    Path(product): Path<String>,
    headers: HeaderMap,
    body: Result<Json<PurchaseBody>, JsonRejection>,
) -> Result<(StatusCode, Json<Answer>), Response> {
    let Json(body) = body.map_err(IntoResponse::into_response)?;
    let purchase = read_purchase(product, &headers, &body).map_err(bad_request)?;
    let answer = api.patterns.write.purchase(&api, &purchase).await.map_err(|failure| {
        if let Failure::Unavailable(error) = &failure {
            log!("purchase {} of {}: {error:#}", purchase.operation, purchase.product);
        }
        failure.into_response()
    })?;
    api.cache.forget(&purchase.product);
    Ok((StatusCode::CREATED, Json(answer)))
}

fn read_purchase(product: String, headers: &HeaderMap, body: &PurchaseBody) -> Result<Purchase, &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let operation = text("idempotency-key")
        .filter(|key| !key.is_empty())
        .ok_or("the header Idempotency-Key is missing; send a new one with each purchase")?;
    if body.quantity < 1 {
        return Err("quantity must be at least 1");
    }
    Ok(Purchase { product, quantity: body.quantity, operation, traceparent: text("traceparent") })
}

fn bad_request(reason: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, explain(reason)).into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(Refusal::Short) => (StatusCode::CONFLICT, explain("stock is short")),
            Self::Refused(Refusal::UnknownProduct) => (StatusCode::NOT_FOUND, explain("no such product")),
            Self::Refused(Refusal::KeyReused) => {
                (StatusCode::UNPROCESSABLE_ENTITY, explain("the Idempotency-Key belongs to a different purchase"))
            }
            Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, explain("the purchase may or may not have taken place"))
            }
        }
        .into_response()
    }
}

fn explain(reason: &str) -> Json<Value> {
    Json(json!({ "error": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(key: Option<&'static str>) -> HeaderMap {
        key.map(|key| ("idempotency-key".parse().unwrap(), HeaderValue::from_static(key))).into_iter().collect()
    }

    #[test]
    fn the_idempotency_key_becomes_the_operation_id() {
        let purchase = read_purchase("p".to_owned(), &headers(Some("key-1")), &PurchaseBody { quantity: 2 }).unwrap();
        assert_eq!((purchase.operation.as_str(), purchase.quantity), ("key-1", 2));
    }

    #[test]
    fn a_purchase_without_a_key_is_refused() {
        for key in [None, Some("")] {
            let refusal = read_purchase("p".to_owned(), &headers(key), &PurchaseBody { quantity: 1 }).unwrap_err();
            assert!(refusal.contains("Idempotency-Key"), "{refusal}");
        }
    }

    #[test]
    fn a_purchase_that_would_add_stock_is_refused() {
        for quantity in [0, -1] {
            assert!(read_purchase("p".to_owned(), &headers(Some("key-1")), &PurchaseBody { quantity }).is_err());
        }
    }

    #[test]
    fn only_refusals_are_certain_to_have_had_no_effect() {
        let status = |failure: Failure| failure.into_response().status();
        assert_eq!(status(Failure::Refused(Refusal::Short)), StatusCode::CONFLICT);
        assert_eq!(status(Failure::Refused(Refusal::UnknownProduct)), StatusCode::NOT_FOUND);
        assert_eq!(status(Failure::Refused(Refusal::KeyReused)), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(status(Failure::Unavailable(anyhow::anyhow!("away"))), StatusCode::SERVICE_UNAVAILABLE);
    }
}
