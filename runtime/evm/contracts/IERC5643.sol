// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-5643: subscriptions as tokens
/// @notice The interface as the standard has it; its id is 0x8c65f84d.
interface IERC5643 {
    /// @notice The expiry of a subscription has changed.
    event SubscriptionUpdate(uint256 indexed tokenId, uint64 expiration);

    /// @notice Extends the subscription by `duration` seconds.
    function renewSubscription(uint256 tokenId, uint64 duration) external payable;

    /// @notice Cancels the subscription.
    function cancelSubscription(uint256 tokenId) external payable;

    /// @notice Second from which the subscription no longer counts; 0 where there is none.
    function expiresAt(uint256 tokenId) external view returns (uint64);

    /// @notice Whether it can be renewed.
    function isRenewable(uint256 tokenId) external view returns (bool);
}
