{% snapshot orders_checked %}
{{ config(target_schema='shop', unique_key='id', strategy='check', check_cols=['status', 'amount'],
          hard_deletes='invalidate') }}
select * from {{ ref('orders') }}
{% endsnapshot %}

{% snapshot orders_timed %}
{{ config(target_schema='shop', unique_key='id', strategy='timestamp', updated_at='ordered_at') }}
select * from {{ ref('orders') }}
{% endsnapshot %}
