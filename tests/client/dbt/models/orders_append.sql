{{ config(materialized='incremental', incremental_strategy='append', dist='even', sort='ordered_at') }}
select * from {{ ref('stg_orders') }}
{% if is_incremental() %} where ordered_at > (select max(ordered_at) from {{ this }}) {% endif %}
