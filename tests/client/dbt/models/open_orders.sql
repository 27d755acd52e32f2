{{ config(materialized='table', pre_hook="select 1", post_hook="analyze {{ this }}") }}
select order_id, customer_id from {{ ref('ephemeral_open') }}
