{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='order_id', dist='all') }}
select * from {{ ref('stg_orders') }}
{% if is_incremental() %} where ordered_at >= (select max(ordered_at) from {{ this }}) {% endif %}
